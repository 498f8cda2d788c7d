#include "weir/subnet/ablations.h"

namespace weir {
namespace {

class Evaluator {
 public:
  Evaluator(const Transformer& transformer, const MaskSpace& space, const at::Tensor& tokens,
            const TokenTarget& target, const EvaluationOptions& options)
      : transformer_(transformer),
        space_(space),
        tokens_(tokens),
        target_(target),
        options_(options) {}

  void add(const std::string& name, const Subnetwork& kept) {
    all_.push_back({name, kept.active(),
                    evaluate(transformer_, applied(space_, kept), tokens_, target_, options_)});
  }
  std::vector<NamedEvaluation> take() { return std::move(all_); }

 private:
  const Transformer& transformer_;
  const MaskSpace& space_;
  const at::Tensor& tokens_;
  const TokenTarget& target_;
  const EvaluationOptions& options_;
  std::vector<NamedEvaluation> all_;
};

}  // namespace

std::vector<NamedEvaluation> ablations(const Transformer& transformer, const MaskSpace& space,
                                       const Subnetwork& subnetwork, const at::Tensor& tokens,
                                       const TokenTarget& target, uint64_t seed,
                                       const EvaluationOptions& options) {
  const Subnetwork random = shuffled(subnetwork, seed);
  Evaluator evaluator(transformer, space, tokens, target, options);
  evaluator.add("full", full_subnetwork(space));
  evaluator.add("subnetwork", subnetwork);
  evaluator.add("shuffled", random);
  evaluator.add("without", complement(subnetwork));
  evaluator.add("without shuffled", complement(random));
  evaluator.add("empty", full_subnetwork(space, false));
  return evaluator.take();
}

std::vector<NamedEvaluation> necessity_and_sufficiency(
    const Transformer& transformer, const MaskSpace& space, const Subnetwork& circuit,
    const Subnetwork& minimal, const at::Tensor& tokens, const TokenTarget& target,
    const EvaluationOptions& options) {
  Evaluator evaluator(transformer, space, tokens, target, options);
  evaluator.add("full", full_subnetwork(space));
  evaluator.add("full without circuit", complement(circuit));
  evaluator.add("minimal", minimal);
  evaluator.add("minimal with circuit", unite(minimal, circuit));
  return evaluator.take();
}

}  // namespace weir
