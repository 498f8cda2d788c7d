#include "weir/rl/monitor.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/lm/unembedding.h"

namespace weir::rl {
namespace {

/// Streams at marked tokens: [n, D] each.
struct Streams {
  std::vector<at::Tensor> post;  ///< Leaving blocks 1 to L.
};

Streams streams_at(const Transformer& model, const Weights& weights, const TokenBatch& batch,
                   const at::Tensor& mask) {
  ForwardInput input;
  const int64_t columns = batch.tokens.size(1) - 1;
  input.tokens = batch.tokens.slice(1, 0, columns);
  if (batch.attention_mask.defined()) {
    input.attention_mask = batch.attention_mask.slice(1, 0, columns);
  }
  input.logits = LogitsAt::kNone;
  const at::Tensor places = mask.gt(0).flatten().nonzero().flatten();
  Streams streams;
  Hooks hooks(model.hook_names());
  hooks.add("blocks.*.hook_resid_post", [&](const at::Tensor& x, const HookContext&) {
    streams.post.push_back(x.flatten(0, 1).index_select(0, places));
    return x;
  });
  input.hooks = &hooks;
  model.forward(weights, input);
  return streams;
}

at::Tensor log_probs(const Transformer& model, const Weights& weights, const Streams& streams,
                     const PolicySpec& spec) {
  const bool is_full = spec.source == PolicySpec::Source::kFull;
  const at::Tensor x = is_full ? streams.post.back() : streams.post.at(spec.layer - 1);
  const at::Tensor rows =
      policy_vector(model.config(), weights, x, is_full ? PolicyNorm::kOwn : spec.norm);
  at::Tensor z = weights.W_U.apply(rows, weights.b_U).to(at::kDouble);
  const double cap = model.config().logit_softcap;
  if (cap > 0) z = (z / cap).tanh() * cap;
  return (z / spec.temperature).log_softmax(1);
}

}  // namespace

at::Tensor thinned(const at::Tensor& mask, int64_t most_tokens) {
  const at::Tensor places = mask.gt(0).flatten().nonzero().flatten();
  if (places.numel() <= most_tokens) return mask;
  const at::Tensor chosen =
      at::linspace(0, static_cast<double>(places.numel() - 1), most_tokens, at::kDouble)
          .round()
          .to(at::kLong);
  const at::Tensor flat = at::zeros_like(mask).flatten();
  flat.index_fill_(0, places.index_select(0, chosen), 1);
  return flat.view_as(mask);
}

double policy_kl(const Transformer& model, const Weights& weights, const TokenBatch& batch,
                 const at::Tensor& mask, const PolicySpec& p, const PolicySpec& q,
                 int64_t most_tokens) {
  const at::NoGradGuard no_grad;
  const Weights computed = for_computing_in(weights, model.dtype());
  const Streams streams = streams_at(model, computed, batch, thinned(mask, most_tokens));
  const at::Tensor log_p = log_probs(model, computed, streams, p);
  const at::Tensor log_q = log_probs(model, computed, streams, q);
  return (log_p.exp() * (log_p - log_q)).sum(1).mean().item<double>();
}

std::vector<double> layer_entropies(const Transformer& model, const Weights& weights,
                                    const TokenBatch& batch, const at::Tensor& mask,
                                    int64_t most_tokens) {
  const at::NoGradGuard no_grad;
  const Weights computed = for_computing_in(weights, model.dtype());
  const Streams streams = streams_at(model, computed, batch, thinned(mask, most_tokens));
  const at::Tensor entropy =
      unembedding_stats(model.config(), computed, at::cat(streams.post), {}).entropy;
  const auto layers = static_cast<int64_t>(streams.post.size());
  const at::Tensor means = entropy.view({layers, -1}).to(at::kDouble).mean(1).contiguous();
  return {means.data_ptr<double>(), means.data_ptr<double>() + means.numel()};
}

}  // namespace weir::rl
