#pragma once

#include <string>
#include <vector>

#include "weir/subnet/evaluation.h"

namespace weir {

/// A model with some of its weights, evaluated.
struct NamedEvaluation {
  std::string name;
  int64_t active = 0;
  Evaluation of;
};

/// The ablation protocol of 2504.15471 and its bounds: "full", "subnetwork" (all else 0),
/// "shuffled" (as many weights of each matrix, anywhere), "without" (the rest: what the model loses
/// without the subnetwork), "without shuffled", "empty" (embeddings, biases and norms only).
std::vector<NamedEvaluation> ablations(const Transformer& transformer, const MaskSpace& space,
                                       const Subnetwork& subnetwork, const at::Tensor& tokens,
                                       const TokenTarget& target, uint64_t seed,
                                       const EvaluationOptions& options = {});

/// Necessity and sufficiency of a circuit C (2504.15471, appendix A.1). With M the model and
/// M_min a minimal subnetwork that predicts bigrams: necessity compares M without C with M,
/// sufficiency M_min with C with M_min alone. Entries: "full", "full without circuit", "minimal",
/// "minimal with circuit".
std::vector<NamedEvaluation> necessity_and_sufficiency(
    const Transformer& transformer, const MaskSpace& space, const Subnetwork& circuit,
    const Subnetwork& minimal, const at::Tensor& tokens, const TokenTarget& target,
    const EvaluationOptions& options = {});

}  // namespace weir
