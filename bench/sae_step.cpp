#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "bench/measure.h"
#include "weir/sae/training/initial_sae.h"
#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"
#include "weir/sae/training/sparse_step.h"

namespace weir::bench {
namespace {

constexpr int64_t kWidth = 512, kLatents = 8192, kChosen = 64, kBatch = 4096, kPool = 8;

// Sparse mixtures of fixed directions, as the peers' script has them.
std::vector<at::Tensor> batches() {
  const at::Tensor directions = at::randn({4096, kWidth});
  directions.div_(directions.norm(2, 1, true));
  std::vector<at::Tensor> pool;
  for (int64_t i = 0; i < kPool; ++i) {
    at::Tensor x = 0.01 * at::randn({kBatch, kWidth});
    for (int64_t j = 0; j < 16; ++j) {
      x += directions.index({at::randint(4096, {kBatch}, at::kLong)}) * at::rand({kBatch, 1});
    }
    pool.push_back(x);
  }
  return pool;
}

SaeTrainer make_trainer(bool half_dead) {
  SaeTrainingPlan plan = training_preset("dictionary_learning/topk");
  plan.config.d_in = plan.config.d_out = kWidth;
  plan.config.d_sae = kLatents;
  plan.config.k = kChosen;
  plan.settings.bias_start = BiasStart::kAsGiven;
  Sae start = initial_sae(plan.config, {});
  // Never chosen: the first half is dead and stays so.
  if (half_dead) start.weights["b_enc"].slice(0, 0, kLatents / 2).fill_(-1);
  return SaeTrainer(start, plan.settings);
}

// Of gradients in float32, sparsely, against autograd in float64.
double gradient_gap(const SaeTrainer& trainer, const at::Tensor& x) {
  Sae exact = trainer.sae();
  for (auto& [name, weight] : exact.weights) weight = weight.to(at::kDouble);
  SaeStepSituation now;
  now.k = kChosen;
  now.may_be_dead = trainer.dead().mask();
  now.dead = [&](const at::Tensor&) { return trainer.dead().mask(); };
  const auto sparse = sparse_gradients(trainer.sae(), trainer.settings(), {x, {}, {}}, now);
  const auto dense = dense_gradients(exact, trainer.settings(), {x.to(at::kDouble), {}, {}}, now);
  double gap = 0;
  for (const auto& [name, gradient] : dense.gradients) {
    const at::Tensor difference = sparse.gradients.at(name).to(at::kDouble) - gradient;
    gap = std::max(gap, (difference.norm() / gradient.norm()).item<double>());
  }
  return gap;
}

Result bench_step(const Options& options, const std::string& name, bool half_dead) {
  at::manual_seed(2);
  const at::NoGradGuard no_grad;
  const std::vector<at::Tensor> pool = batches();
  SaeTrainer trainer = make_trainer(half_dead);
  const at::Tensor dead = at::zeros({kLatents}, at::kLong);
  dead.slice(0, 0, kLatents / 2).fill_(20000000);
  Result result;
  result.name = name;
  result.work = fmt::format(
      "TopK dictionary of {} numbers and {} latents, k {}, {} tokens, float32, {}: "
      "a step of training with Adam",
      kWidth, kLatents, kChosen, kBatch,
      half_dead ? "half of them dead (AuxK active)" : "none dead");
  int64_t i = 0;
  result.seconds = measure(options.runs, [&] {
    if (half_dead) trainer.dead().set_since_fired(dead);
    trainer.step({pool[static_cast<size_t>(i % kPool)], {}, {}}, i + 1, 3e-4);
    ++i;
  });
  result.amount = kBatch;
  result.unit = "tokens/s";
  const double chosen = kChosen + (half_dead ? kWidth / 2 : 0);
  result.flops = 2.0 * kBatch * kWidth * kLatents + 8.0 * kBatch * chosen * kWidth;
  result.peak_rss = peak_rss();
  if (half_dead) trainer.dead().set_since_fired(dead);
  result.check = checked("gradients and those of autograd in float64",
                         gradient_gap(trainer, pool[0].slice(0, 0, 256)), 1e-5);
  return result;
}

}  // namespace

Result bench_sae_step(const Options& options) { return bench_step(options, "sae-step", false); }
Result bench_sae_step_dead(const Options& options) {
  return bench_step(options, "sae-step-dead", true);
}

}  // namespace weir::bench
