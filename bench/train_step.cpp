#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <nlohmann/json.hpp>

#include "bench/measure.h"
#include "weir/model/initial_weights.h"
#include "weir/pretrain/flops.h"
#include "weir/pretrain/parameter_groups.h"
#include "weir/pretrain/trainer.h"
#include "weir/tensor/vocab_cross_entropy.h"
#include "weir/train/adam.h"

namespace weir::bench {
namespace {

constexpr int64_t kBatch = 8, kLength = 257, kVocabulary = 50257;

LoadedModel new_gpt2() {
  return initial_weights({{"model_type", "gpt2"},
                          {"n_layer", 8},
                          {"n_head", 8},
                          {"n_embd", 256},
                          {"n_positions", kLength - 1},
                          {"vocab_size", kVocabulary}},
                         0);
}

data::Batch random_batch() {
  data::Batch batch;
  batch.ids = at::randint(kVocabulary, {kBatch, kLength}, at::kLong);
  batch.labels = batch.ids.clone();
  batch.labels.select(1, 0).fill_(kNotCounted);
  return batch;
}

// Of the gradient of a matrix: its length, against the change of the loss along it in float64.
double slope_gap(const LoadedModel& model, const LanguageTrainer& trainer,
                 const data::Batch& batch) {
  data::Batch few = batch;
  few.ids = few.ids.slice(0, 0, 1).slice(1, 0, 33);
  few.labels = few.labels.slice(0, 0, 1).slice(1, 0, 33);
  const at::Tensor leaf = model.weights.blocks[0].mlp.W_in.storage();
  const at::Tensor gradient =
      language_gradients(trainer.transformer(), model.weights, {leaf}, few, kLength).gradients[0];
  const at::NoGradGuard no_grad;
  const Transformer exact(model.config, model.weights, at::kDouble);
  const double length = gradient.norm().item<double>();
  const at::Tensor step = gradient.to(at::kDouble) / length * 1e-4;
  const auto loss_at = [&](const at::Tensor& change) {
    Weights moved = exact.weights();
    moved.blocks[0].mlp.W_in = Matrix(moved.blocks[0].mlp.W_in.storage() + change);
    return language_loss(exact, moved, few).loss / kLength;
  };
  return std::abs((loss_at(step) - loss_at(-step)) / 2e-4 - length) / length;
}

}  // namespace

Result bench_train_step(const Options& options) {
  at::manual_seed(0);
  LoadedModel model = new_gpt2();
  LanguageTrainer trainer(&model, {"*"}, {});
  AdamOptions adam;
  adam.decoupled = true;
  adam.weight_decay = 0.1;
  auto optimizer = std::make_unique<Adam>(trainer.leaves(), adam);
  optimizer->set_rules(decay_rules(trainer.parameters(), DecayRule::kMatrices));
  trainer.set_optimizer(std::move(optimizer));
  const data::Batch batch = random_batch();
  const double gap = slope_gap(model, trainer, batch);
  Result result;
  result.name = "train-step";
  result.work =
      "GPT-2, 8 layers, 8 heads, 256 wide, 8 x 256 tokens, vocabulary 50257, float32: forward, "
      "loss, backward, clipping, AdamW";
  result.seconds = measure(options.runs, [&] { trainer.update({batch}, 1e-4); });
  result.amount = kBatch * (kLength - 1);
  result.unit = "tokens/s";
  result.flops = result.amount * training_flops_per_token(model.weights, model.config, kLength - 1);
  result.peak_rss = peak_rss();
  result.check =
      checked("a gradient's length and the slope of the loss along it in float64", gap, 1e-3);
  return result;
}

}  // namespace weir::bench
