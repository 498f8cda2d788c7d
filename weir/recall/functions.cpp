// Vectors and maps that stand for the relation: do they act on prompts that do not ask for it?
#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/recall/intercept.h"
#include "weir/recall/recall_run.h"
#include "weir/recall/relation_operator.h"

namespace weir {
namespace {

constexpr int64_t kWindow = 10, kWindows = 16;  // tokens and number of neutral prompts
const std::vector<double> kBetas = {1, 1.5, 2, 2.25, 2.5, 3};

// Pieces of the neutral text as prompts.
TokenBatch neutral_prompts(const RecallRun& run) {
  const at::Tensor text = run.neutral.text().tokens;
  const int64_t length = std::min(kWindow, text.size(1));
  const int64_t step = std::max<int64_t>(1, (text.size(1) - length) / kWindows);
  std::vector<at::Tensor> rows;
  for (int64_t i = 0; i < kWindows && i * step + length <= text.size(1); ++i) {
    rows.push_back(text[0].slice(0, i * step, i * step + length));
  }
  return {at::stack(rows), {}};
}

// Change of pi for each answer [A], mean over the prompts, when `vectors` [S, D] are added to an
// MLP's output: [S, A].
at::Tensor brought_up(const LastPosition& last, int64_t layer, const at::Tensor& vectors,
                      const at::Tensor& answers) {
  const auto pi = [&](const at::Tensor& logits) {
    return (logits.index_select(1, answers) - logits.mean(1, /*keepdim=*/true)).mean(0);
  };
  const at::Tensor clean = pi(last.clean().logits);
  std::vector<at::Tensor> changes;
  for (const at::Tensor& vector : vectors.unbind(0)) {
    changes.push_back(pi(run_with_mlp_plus(last, layer, vector)) - clean);
  }
  return at::stack(changes).to(at::kDouble);
}

// `vector` itself, then random ones of its length.
at::Tensor with_random(const RecallRun& run, const at::Tensor& vector) {
  std::mt19937_64 random(run.options.seed + 4);
  std::normal_distribution<double> normal;
  std::vector<at::Tensor> vectors = {vector.to(at::kDouble)};
  for (int64_t i = 0; i < run.options.n_controls; ++i) {
    at::Tensor other = at::empty(vector.sizes(), at::kDouble);
    for (int64_t k = 0; k < other.numel(); ++k) other.data_ptr<double>()[k] = normal(random);
    vectors.push_back(other / other.norm() * vectors[0].norm());
  }
  return at::stack(vectors);
}

TokenBatch rows_of(const TokenBatch& batch, const at::Tensor& rows) {
  return {batch.tokens.index_select(0, rows), batch.attention_mask.defined()
                                                  ? batch.attention_mask.index_select(0, rows)
                                                  : at::Tensor()};
}

RelationOperatorFinding find_operator(const RecallRun& run) {
  const TokenBatch batch = left_pad(run.set.clean_rows());
  RelationOperatorFinding found;
  found.layer = run.options.relation_layer >= 0 ? run.options.relation_layer : run.n_layers() / 2;
  found.n_train = std::min(run.options.relation_prompts, run.dev.size(0) - 1);
  const at::Tensor train = run.dev.slice(0, 0, found.n_train),
                   tune = run.dev.slice(0, found.n_train);
  const RelationOperator relation = fit_relation(
      run.lm, rows_of(batch, train), run.subject_last.index_select(0, train), found.layer);
  const at::Tensor states = relation_states(run.lm, batch, run.subject_last, found.layer).subject;
  const auto accuracy = [&](const at::Tensor& rows, double beta, const at::Tensor& truth) {
    const at::Tensor guess =
        predict(run.lm, relation, states.index_select(0, rows), beta).argmax(-1);
    return guess.eq(truth.index_select(0, rows)).to(at::kDouble).mean().item<double>();
  };
  double best = -1;
  for (const double beta : kBetas) {
    const double right = accuracy(tune, beta, run.answers);
    if (right > best) {
      best = right;
      found.beta = beta;
    }
  }
  found.accuracy = accuracy(run.test, found.beta, run.answers);
  found.faithfulness = accuracy(run.test, found.beta, run.last.clean().logits.argmax(-1));
  return found;
}

}  // namespace

void find_functions(const RecallRun& run, RecallResult& result) {
  const LastPosition others(run.lm, neutral_prompts(run));
  const at::Tensor answers = std::get<0>(at::_unique2(run.answers.index_select(0, run.test)));
  const int64_t layer = result.mlps.front().layer;
  const MlpParts dev = take_prompts(recall_parts(run, result.movers, layer), run.dev);
  PartsSums sums;
  sums.add(dev.c, dev.m);
  std::vector<int64_t> each_answer;
  for (int64_t i = 0; i < answers.size(0); ++i) each_answer.push_back(i);
  const auto transfer = [&](const std::string& name, const at::Tensor& vector) {
    const at::Tensor change = brought_up(others, layer, with_random(run, vector), answers);
    const at::Tensor random = change.slice(0, 1).mean(0);
    Claim claim;
    claim.step = "function";
    claim.statement = fmt::format("{} acts as the relation's function in other prompts", name);
    claim.check = fmt::format(
        "added to the output of MLP {} at the last position of {} pieces of neutral text; control: "
        "random vectors of its length",
        layer, others.n_prompts());
    claim.quantity = "change of pi of the relation's answers";
    claim.effect = interval_of(change[0], each_answer, run.options.seed);
    claim.control = interval_of(random, each_answer, run.options.seed);
    claim.difference = interval_of(change[0] - random, each_answer, run.options.seed);
    claim.prob_before = claim.prob_after = NAN;
    judge(claim, 1);
    result.claims.push_back(std::move(claim));
  };
  transfer(fmt::format("The intercept of MLP {}", layer), sums.fit().b);
  transfer(fmt::format("The mean output of MLP {}", layer), dev.m.mean(0));
  if (run.options.relation_operator) result.operators.push_back(find_operator(run));
}

}  // namespace weir
