#include "weir/sae/dashboard/latent_effects.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/ends_with.h"
#include "weir/embed/neighbours.h"
#include "weir/lm/unembedding.h"
#include "weir/sae/splice/splice.h"

namespace weir {
namespace {

constexpr int64_t kTokensAtOnce = 8192;

// Decoder rows as what they add to the residual stream; undefined where they add nothing directly.
at::Tensor written(const LanguageModel& lm, const Sae& sae, const at::Tensor& decoder) {
  const std::string& hook = written_hook(sae.config);
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  const int64_t layer = layer_of_hook(hook).value_or(-1);
  const bool is_layer = layer >= 0 && layer < config.n_layers;
  for (const char* name : {"hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_mlp_out",
                           "hook_attn_out", "hook_embed"}) {
    if (ends_with(hook, name) && decoder.size(1) == config.d_model) return decoder;
  }
  if (is_layer && ends_with(hook, "attn.hook_z") &&
      decoder.size(1) == config.n_heads * config.d_head) {
    return weights.blocks[static_cast<size_t>(layer)].attn.W_O.apply(decoder);
  }
  if (is_layer && ends_with(hook, "mlp.hook_post") && decoder.size(1) == config.d_mlp) {
    return weights.blocks[static_cast<size_t>(layer)].mlp.W_out.apply(decoder);
  }
  return {};
}

// The linear part of the final norm: centred and scaled by its gain, not divided.
at::Tensor through_norm(const LanguageModel& lm, const at::Tensor& x) {
  const ModelConfig& config = lm.config();
  const Weights& weights = lm.transformer().weights();
  const at::Tensor nothing = at::zeros({1, x.size(1)}, x.options());
  const at::Tensor scale = final_scale(config, weights, x).unsqueeze(1);
  return (final_normed(config, weights, x) - final_normed(config, weights, nothing)) * scale;
}

std::vector<std::pair<int64_t, double>> pairs(const at::Tensor& index, const at::Tensor& value) {
  std::vector<std::pair<int64_t, double>> list;
  for (int64_t i = 0; i < index.size(0); ++i) {
    list.emplace_back(index[i].item<int64_t>(), value[i].item<double>());
  }
  return list;
}

}  // namespace

EffectFinder::EffectFinder(const LanguageModel& lm, const Sae& sae, const EffectOptions& options)
    : lm_(lm), options_(options) {
  const at::NoGradGuard no_grad;
  decoder_ = flat_decoder(sae).to(at::kCPU, at::kFloat).contiguous();
  const int64_t n_nearest = std::min(options.n_nearest, decoder_.size(0) - 1);
  if (n_nearest > 0) {
    const Neighbours near = nearest_neighbours(decoder_, n_nearest, Metric::kCosine);
    nearest_ = near.index;
    cosines_ = 1 - near.distance;
  }
  const at::Tensor stream = written(lm, sae, decoder_);
  if (!stream.defined()) return;
  directions_ = through_norm(lm, stream);
  // Of the columns of W_U less their mean, some tokens at a time.
  const Matrix& unembedding = lm.transformer().weights().W_U;
  const int64_t n_vocab = unembedding.n_out();
  at::Tensor mean = at::zeros({unembedding.n_in(), 1}, at::kDouble);
  for (int64_t first = 0; first < n_vocab; first += kTokensAtOnce) {
    const int64_t n = std::min(kTokensAtOnce, n_vocab - first);
    mean += unembedding.slice_out(first, n).dense().to(at::kDouble).sum(1, true);
  }
  mean = (mean / static_cast<double>(n_vocab)).to(at::kFloat);
  std::vector<at::Tensor> norms;
  for (int64_t first = 0; first < n_vocab; first += kTokensAtOnce) {
    const int64_t n = std::min(kTokensAtOnce, n_vocab - first);
    norms.push_back((unembedding.slice_out(first, n).dense() - mean).norm(2, 0));
  }
  token_norms_ = at::cat(norms);
}

void EffectFinder::add_logits(const at::Tensor& weights, double direction_norm,
                              LatentEffects* effects) const {
  const int64_t n = std::min(options_.n_tokens, weights.size(0));
  const auto [most, most_ids] = weights.topk(n);
  const auto [least, least_ids] = weights.topk(n, 0, false);
  effects->promoted = pairs(most_ids, most);
  effects->suppressed = pairs(least_ids, least);
  const at::Tensor wide = weights.to(at::kDouble), squares = wide.square();
  const double variance = squares.mean().item<double>();
  effects->skewness = (squares * wide).mean().item<double>() / std::pow(variance, 1.5);
  effects->kurtosis = squares.square().mean().item<double>() / (variance * variance);
  if (direction_norm > 0) {
    effects->token_cosine =
        (weights / (token_norms_ + 1e-12)).max().item<double>() / direction_norm;
  }
  const double low = least[0].item<double>(), high = most[0].item<double>();
  if (!(high > low)) return;
  const at::Tensor counts = weights.histc(options_.n_bins, low, high);
  for (int64_t bin = 0; bin <= options_.n_bins; ++bin) {
    effects->bin_edges.push_back(low + (high - low) * static_cast<double>(bin) /
                                           static_cast<double>(options_.n_bins));
    if (bin < options_.n_bins) effects->bin_counts.push_back(counts[bin].item<double>());
  }
}

std::vector<LatentEffects> EffectFinder::find(int64_t first, int64_t n) const {
  const at::NoGradGuard no_grad;
  at::Tensor logits, norms;
  if (has_logits()) {
    const at::Tensor rows = directions_.slice(0, first, first + n);
    logits = lm_.transformer().weights().W_U.apply(rows);
    logits = logits - logits.mean(1, true);
    norms = rows.norm(2, 1);
  }
  std::vector<LatentEffects> all(static_cast<size_t>(n));
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      all[static_cast<size_t>(i)] = effects_of(first + i, has_logits() ? logits[i] : at::Tensor(),
                                               has_logits() ? norms[i].item<double>() : 0);
    }
  });
  return all;
}

LatentEffects EffectFinder::effects_of(int64_t latent, const at::Tensor& logits,
                                       double direction_norm) const {
  const at::NoGradGuard no_grad;
  LatentEffects effects;
  effects.latent = latent;
  const at::Tensor row = decoder_[latent];
  effects.decoder_norm = row.norm().item<double>();
  effects.neuron_l1 = row.abs().sum().item<double>();
  const int64_t n_neurons = std::min(options_.n_neurons, row.size(0));
  const at::Tensor largest = std::get<1>(row.abs().topk(n_neurons));
  effects.neurons = pairs(largest, row.index_select(0, largest));
  if (nearest_.defined()) effects.nearest = pairs(nearest_[latent], cosines_[latent]);
  effects.skewness = effects.kurtosis = effects.token_cosine = std::nan("");
  if (logits.defined()) add_logits(logits, direction_norm, &effects);
  return effects;
}

}  // namespace weir
