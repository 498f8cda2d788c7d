#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "weir/model/initial_weights.h"
#include "weir/subnet/mask_training.h"

namespace weir::bench {
namespace {

constexpr int64_t kLayers = 6, kWidth = 512, kHidden = 2048, kModelVocabulary = 50304;
constexpr int64_t kBatch = 8, kPositions = 128, kVocabulary = 50277, kSuccessors = 64;

LoadedModel pythia_70m() {
  return initial_weights({{"model_type", "gpt_neox"},
                          {"num_hidden_layers", kLayers},
                          {"hidden_size", kWidth},
                          {"intermediate_size", kHidden},
                          {"num_attention_heads", 8},
                          {"vocab_size", kModelVocabulary},
                          {"max_position_embeddings", 2048},
                          {"rotary_pct", 0.25},
                          {"rotary_emb_base", 10000},
                          {"layer_norm_eps", 1e-5},
                          {"use_parallel_residual", true},
                          {"hidden_act", "gelu"},
                          {"tie_word_embeddings", false}},
                         8);
}

/// Every token with 64 successors, drawn evenly over the vocabulary.
NgramModel random_bigrams() {
  const int64_t stride = kVocabulary / kSuccessors;
  const at::Tensor ids =
      at::randint(stride, {kVocabulary, kSuccessors}, at::kLong) +
      at::arange(0, kSuccessors * stride, stride, at::kLong);  // Ascending in a row.
  const at::Tensor counts = at::randint(1, 100, {kVocabulary, kSuccessors}, at::kInt);
  NgramLevel single, pairs;
  single.context = at::zeros({1}, at::kLong);
  single.start = at::tensor(std::vector<int64_t>{0, kVocabulary}, at::kLong);
  single.id = at::arange(kVocabulary, at::kInt);
  single.count = at::ones({kVocabulary}, at::kInt);
  single.total = at::full({1}, static_cast<double>(kVocabulary), at::kDouble);
  pairs.order = 2;
  pairs.context = at::arange(kVocabulary, at::kLong);
  pairs.start = at::arange(0, (kVocabulary + 1) * kSuccessors, kSuccessors, at::kLong);
  pairs.id = ids.to(at::kInt).flatten();
  pairs.count = counts.flatten();
  pairs.total = counts.sum(1).to(at::kDouble);
  return {kVocabulary, {std::move(single), std::move(pairs)}};
}

// The length of one part's gradient against the slope of the loss along it, in float64.
double slope_gap(const LoadedModel& model, const TokenTarget& target, const at::Tensor& tokens) {
  const auto method = continuous_sparsification();
  const auto loss_of = [&](at::ScalarType dtype, const at::Tensor& change, at::Tensor* gradient) {
    const Transformer transformer(model.config, model.weights, dtype);
    const MaskSpace space(transformer.weights(), model.config, MaskUnit::kWeight, dtype);
    std::vector<at::Tensor> logits = space.filled(0);
    const size_t part = logits.size() - 1;
    if (change.defined()) logits[part] += change.to(dtype);
    GradientSink sink;
    if (gradient != nullptr) {
      sink = [&](size_t i, const at::Tensor& of) {
        if (i == part) *gradient = of.clone();
      };
    }
    return masked_loss(transformer, {space, *method, logits}, tokens, target, 10, sink).total;
  };
  at::Tensor gradient;
  loss_of(at::kFloat, {}, &gradient);
  gradient = gradient.to(at::kDouble);
  const double length = gradient.norm().item<double>();
  const at::Tensor step = gradient * (1e-2 / length);
  const double slope =
      (loss_of(at::kDouble, step, nullptr) - loss_of(at::kDouble, -step, nullptr)) / 2e-2;
  return std::abs(slope - length) / length;
}

}  // namespace

Result bench_mask_step(const Options& options) {
  at::manual_seed(8);
  const LoadedModel model = pythia_70m();
  const Transformer transformer(model.config, model.weights);
  const MaskSpace space(transformer.weights(), model.config, MaskUnit::kWeight);
  const auto target = ngram_target(random_bigrams());
  MaskTrainer trainer(transformer, space, *target, continuous_sparsification(), {});
  const at::Tensor tokens = at::randint(kVocabulary, {8, kBatch, kPositions}, at::kLong);
  Result result;
  result.name = "mask-step";
  result.work =
      "Pythia-70M shape (random), 18,874,368 mask values, 8 x 128 tokens, bigram rows of 64, "
      "AdamW, "
      "float32: a step of training masks, with the stop test";
  int64_t i = 0;
  MaskTrainer::Step last;
  result.seconds =
      measure(options.runs, [&] { last = trainer.step({tokens[i++ % tokens.size(0)]}); });
  result.amount = kBatch * kPositions;
  result.unit = "tokens/s";
  const double per_token =
      static_cast<double>(kLayers) *
          (2.0 * kWidth * (4 * kWidth + 2 * kHidden) + 2.0 * kWidth * (kPositions + 1)) +
      2.0 * kWidth * kModelVocabulary;
  // The unembedding needs no gradient of its own.
  result.flops = result.amount * (3 * per_token - 2.0 * kWidth * kModelVocabulary);
  result.peak_rss = peak_rss();
  result.extra = {{"steps_per_second", 1 / result.median()},
                  {"cross_entropy", last.loss.cross_entropy}};
  result.check = checked("a gradient's length and the slope of the loss along it in float64",
                         slope_gap(model, *target, tokens[0].slice(0, 0, 1).slice(1, 0, 16)), 1e-3);
  return result;
}

}  // namespace weir::bench
