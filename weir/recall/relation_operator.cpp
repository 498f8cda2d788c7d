#include "weir/recall/relation_operator.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

constexpr int64_t kRowsAtOnce = 96;  // coordinates differentiated in one batch

// The last stream [R, D] at the last position; `stream` [R, T, D] leaves block `layer`, with the
// subject's entry put in place by differentiable operations.
at::Tensor run_from(const LanguageModel& lm, const TokenBatch& batch, const at::Tensor& positions,
                    int64_t layer, const at::Tensor& stream, const at::Tensor& subject) {
  const at::Tensor is_subject = at::arange(stream.size(1), at::kLong)
                                    .eq(positions.unsqueeze(1))
                                    .unsqueeze(2)
                                    .to(stream.device());
  const at::Tensor put = at::where(is_subject, subject.to(stream.dtype()).unsqueeze(1), stream);
  if (layer + 1 == lm.config().n_layers) return put.select(1, -1);
  ForwardInput input;
  input.residual = put;
  input.start_layer = layer + 1;
  input.attention_mask = batch.attention_mask;
  input.logits = LogitsAt::kNone;
  return lm.transformer().forward(input).residual.select(1, -1);
}

at::Tensor stream_after(const LanguageModel& lm, const TokenBatch& prompts, int64_t layer,
                        at::Tensor* output = nullptr) {
  const std::string name = "blocks." + std::to_string(layer) + ".hook_resid_post";
  RunOptions options;
  options.logits = LogitsAt::kNone;
  options.cache = CacheOptions{{name}, {}, {}, {}, false};
  const RunResult run = lm.run(prompts, options);
  if (output != nullptr) *output = run.residual.select(1, -1);
  return run.cache[name];
}

TokenBatch repeated(const TokenBatch& prompts, int64_t row, int64_t n) {
  const auto take = [&](const at::Tensor& x) {
    return x.defined() ? x.slice(0, row, row + 1).expand({n, -1}) : x;
  };
  return {take(prompts.tokens), take(prompts.attention_mask)};
}

}  // namespace

RelationStates relation_states(const LanguageModel& lm, const TokenBatch& prompts,
                               const at::Tensor& positions, int64_t layer) {
  const at::NoGradGuard no_grad;
  RelationStates states;
  const at::Tensor stream = stream_after(lm, prompts, layer, &states.output);
  states.subject = stream.index({at::arange(stream.size(0), at::kLong), positions});
  return states;
}

at::Tensor run_with_subject(const LanguageModel& lm, const TokenBatch& prompts,
                            const at::Tensor& positions, int64_t layer, const at::Tensor& subject) {
  const at::NoGradGuard no_grad;
  return run_from(lm, prompts, positions, layer, stream_after(lm, prompts, layer), subject);
}

RelationOperator fit_relation(const LanguageModel& lm, const TokenBatch& prompts,
                              const at::Tensor& positions, int64_t layer) {
  require(layer >= 0 && layer < lm.config().n_layers, "relation: expected a layer below {}, got {}",
          lm.config().n_layers, layer);
  const RelationStates states = relation_states(lm, prompts, positions, layer);
  at::Tensor stream;
  {
    const at::NoGradGuard no_grad;
    stream = stream_after(lm, prompts, layer);
  }
  const int64_t n = states.subject.size(0), d = states.subject.size(1);
  Progress progress("derivatives of the relation", n * d, "rows");
  std::vector<at::Tensor> jacobians;
  for (int64_t i = 0; i < n; ++i) {
    std::vector<at::Tensor> rows;
    for (int64_t first = 0; first < d; first += kRowsAtOnce) {
      // One row a coordinate of the output: their gradients together are a block of the Jacobian.
      const int64_t count = std::min(kRowsAtOnce, d - first);
      const at::AutoGradMode with_graph(true);
      const at::Tensor s =
          states.subject[i].expand({count, d}).clone().detach().requires_grad_(true);
      const at::Tensor out =
          run_from(lm, repeated(prompts, i, count), positions.slice(0, i, i + 1).expand({count}),
                   layer, stream.slice(0, i, i + 1).expand({count, -1, -1}), s);
      const at::Tensor chosen = at::eye(d, out.options()).slice(0, first, first + count);
      rows.push_back(torch::autograd::grad({out}, {s}, {chosen})[0]);
      progress.advance(count);
    }
    jacobians.push_back(at::cat(rows));
  }
  RelationOperator relation;
  relation.layer = layer;
  relation.jacobians = at::stack(jacobians);
  relation.W = relation.jacobians.mean(0);
  const at::Tensor linear =
      at::matmul(relation.jacobians, states.subject.unsqueeze(-1)).squeeze(-1);
  relation.b = (states.output - linear).mean(0);
  return relation;
}

at::Tensor predict(const LanguageModel& lm, const RelationOperator& relation,
                   const at::Tensor& subject, double beta) {
  const at::NoGradGuard no_grad;
  return lm.transformer().unembed(beta * at::matmul(subject, relation.W.t()) + relation.b);
}

at::Tensor edit_subject(const RelationOperator& relation, const at::Tensor& change, int64_t rank) {
  const at::NoGradGuard no_grad;
  require(rank > 0 && rank <= relation.W.size(0), "relation: expected a rank from 1 to {}, got {}",
          relation.W.size(0), rank);
  const auto [U, S, Vh] = at::linalg_svd(relation.W.to(at::kDouble));
  const at::Tensor along =
      at::matmul(change.to(at::kDouble), U.slice(1, 0, rank)) / S.slice(0, 0, rank);
  return at::matmul(along, Vh.slice(0, 0, rank)).to(change.scalar_type());
}

at::Tensor reciprocal_ranks(const LanguageModel& lm, const at::Tensor& streams,
                            const at::Tensor& tokens) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> layers;
  for (const at::Tensor& stream : streams.unbind(0)) {
    const at::Tensor logits = lm.transformer().unembed(stream);
    const at::Tensor own = logits.gather(1, tokens.unsqueeze(1));
    layers.push_back(1.0 / (1 + (logits > own).sum(1)).to(at::kDouble));
  }
  return at::stack(layers);
}

}  // namespace weir
