#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/lens/policies.h"
#include "weir/lens/tuned_lens.h"
#include "weir/lm/unembedding.h"

namespace weir {
namespace {

// Distributions of a block of rows are held: 64 MB of float32.
constexpr int64_t kLogitsAtOnce = int64_t{1} << 24;

/// The positions that count, of all rows together.
struct Pairs {
  at::Tensor streams;  ///< [L, N, D], inputs of the blocks
  at::Tensor output;   ///< [N, D], the last stream `shift` positions later
  at::Tensor tokens;   ///< int64 [N], the token there
};

Pairs collect(const LanguageModel& lm, const TokenBatch& batch, int64_t shift) {
  const int64_t n_positions = batch.tokens.size(1);
  require(shift >= 0 && shift < n_positions,
          "tuned lens: expected a shift from 0 to {}, the last position, got {}", n_positions - 1,
          shift);
  std::vector<std::string> points;
  for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
    points.push_back(fmt::format("blocks.{}.hook_resid_pre", layer));
  }
  const ReadVectors read = read_vectors(lm, batch, points);
  const auto before = [&](const at::Tensor& x, int64_t axis) {
    return x.slice(axis, 0, n_positions - shift);
  };
  const auto after = [&](const at::Tensor& x) { return x.slice(1, shift); };
  Pairs pairs{before(read.values, 2).flatten(1, 2), after(read.output).flatten(0, 1),
              after(batch.tokens).flatten()};
  if (batch.attention_mask.defined()) {
    const at::Tensor real =
        (before(batch.attention_mask, 1) & after(batch.attention_mask)).flatten().nonzero();
    const at::Tensor index = real.squeeze(1).to(lm.device());
    pairs = {pairs.streams.index_select(1, index), pairs.output.index_select(0, index),
             pairs.tokens.index_select(0, index.to(pairs.tokens.device()))};
  }
  require(pairs.output.size(0) > 0, "tuned lens: expected real tokens {} apart, found none", shift);
  return pairs;
}

/// What a block of rows is compared with. Its losses are floor - log_prob.
struct Labels {
  VocabScoreOptions scores;
  at::Tensor floor;  ///< [rows]: minus the model's entropy, or 0
};

Labels labels_of(const LanguageModel& lm, const Pairs& pairs, LensLoss loss, int64_t first,
                 int64_t last) {
  Labels labels;
  if (loss == LensLoss::kCe) {
    labels.scores.targets = pairs.tokens.slice(0, first, last);
    labels.floor = at::zeros({last - first}, pairs.output.options());
    return labels;
  }
  const at::NoGradGuard no_grad;
  const at::Tensor x =
      final_normed(lm.config(), lm.transformer().weights(), pairs.output.slice(0, first, last));
  const at::Tensor log_q = lm.transformer().unembed(x, false).log_softmax(-1);
  labels.scores.dense_targets = log_q.exp();
  labels.floor = (labels.scores.dense_targets * log_q).sum(-1);
  return labels;
}

/// Sum of the losses of translated rows; a graph leads to them.
at::Tensor summed_loss(const LanguageModel& lm, const at::Tensor& translated,
                       const Labels& labels) {
  const Weights& weights = lm.transformer().weights();
  const at::Tensor x = final_normed(lm.config(), weights, translated);
  const at::Tensor log_prob = unembedding_scores(lm.config(), weights, x, labels.scores).log_prob;
  return (labels.floor.to(log_prob.options()) - log_prob).sum();
}

/// first, last of blocks of rows.
template <typename Function>
void each_block(const LanguageModel& lm, int64_t n, const Function& function) {
  const int64_t block = std::max<int64_t>(1, kLogitsAtOnce / lm.config().d_vocab);
  for (int64_t first = 0; first < n; first += block) {
    function(first, std::min(first + block, n));
  }
}

}  // namespace

LensLosses tuned_lens_losses(const LanguageModel& lm, const TunedLens& lens,
                             const TokenBatch& batch, const LensLossOptions& options) {
  const Pairs pairs = collect(lm, batch, options.shift);
  const int64_t n_layers = lens.n_layers(), n = pairs.output.size(0);
  LensLosses losses;
  losses.n_tokens = n;
  losses.loss = at::zeros({n_layers}, at::kDouble);
  if (options.weight_gradients) losses.weight = at::zeros_like(lens.weight);
  if (options.bias_gradients) losses.bias = at::zeros_like(lens.bias);
  const bool wants_graph = options.weight_gradients || options.bias_gradients;
  each_block(lm, n, [&](int64_t first, int64_t last) {
    const Labels labels = labels_of(lm, pairs, options.loss, first, last);
    for (int64_t layer = 0; layer < n_layers; ++layer) {
      const at::AutoGradMode graph(wants_graph);
      const at::Tensor h = pairs.streams[layer].slice(0, first, last);
      // The gradient of a translator is that of its output times its input: no leaf of D x D.
      const at::Tensor translated =
          lens.translate(h, layer).detach().set_requires_grad(wants_graph);
      const at::Tensor loss = summed_loss(lm, translated, labels);
      losses.loss[layer] += loss.detach().to(at::kCPU, at::kDouble) / n;
      if (!wants_graph) continue;
      const at::Tensor gradient = torch::autograd::grad({loss}, {translated})[0] / n;
      const at::NoGradGuard no_grad;
      if (options.weight_gradients) losses.weight[layer].add_(gradient.t().mm(h));
      if (options.bias_gradients) losses.bias[layer].add_(gradient.sum(0));
    }
  });
  return losses;
}

at::Tensor tuned_lens_transfer(const LanguageModel& lm, const TunedLens& lens,
                               const TokenBatch& batch) {
  const at::NoGradGuard no_grad;
  const Pairs pairs = collect(lm, batch, 0);
  const int64_t n_layers = lens.n_layers(), n = pairs.output.size(0);
  const at::Tensor kl = at::zeros({n_layers, n_layers}, at::kDouble);
  each_block(lm, n, [&](int64_t first, int64_t last) {
    const Labels labels = labels_of(lm, pairs, LensLoss::kKl, first, last);
    for (int64_t i = 0; i < n_layers; ++i) {
      for (int64_t j = 0; j < n_layers; ++j) {
        const at::Tensor h = pairs.streams[j].slice(0, first, last);
        kl[i][j] += summed_loss(lm, lens.translate(h, i), labels).to(at::kCPU, at::kDouble) / n;
      }
    }
  });
  return kl;
}

}  // namespace weir
