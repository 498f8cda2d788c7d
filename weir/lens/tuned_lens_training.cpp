#include "weir/lens/tuned_lens_training.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/train/adam.h"
#include "weir/train/clip.h"
#include "weir/train/schedule.h"
#include "weir/train/state_file.h"

namespace weir {
namespace {

constexpr const char* kState = "training.safetensors";
const std::string kOptimizer = "optimizer.";
constexpr double kAdamRate = 1e-3;

std::unique_ptr<Optimizer> make_optimizer(const TunedLens& lens, const TunedLensTraining& options) {
  const std::vector<at::Tensor> parameters = {lens.weight, lens.bias};
  if (options.adam) {
    AdamOptions adam;
    adam.beta1 = options.momentum;
    adam.weight_decay = options.weight_decay;
    adam.amsgrad = true;
    return std::make_unique<Adam>(parameters, adam);
  }
  return std::make_unique<Sgd>(parameters,
                               SgdOptions{options.momentum, true, options.weight_decay});
}

/// What must be equal for a training to go on.
std::string settings(const TunedLensTraining& of) {
  return fmt::format(
      "{} shift {} steps {} warmup {} end {} {} scale {} momentum {} decay {} "
      "clip {} {}",
      of.loss == LensLoss::kKl ? "kl" : "ce", of.shift, of.steps, of.warmup, of.decay_end,
      of.adam ? "adam" : "sgd", of.rate_scale, of.momentum, of.weight_decay, of.clip,
      of.bias_only ? "bias" : "all");
}

}  // namespace

TunedLensTrainer::TunedLensTrainer(const LanguageModel& lm, const TunedLens& lens,
                                   const TunedLensTraining& options)
    : lm_(lm), lens_(lens), options_(options) {
  require(options.steps > 0 && options.warmup >= 0,
          "tuned lens: expected at least one step and no negative warm-up, got {} and {}",
          options.steps, options.warmup);
  lens_.weight = lens.weight.clone();
  lens_.bias = lens.bias.clone();
  optimizer_ = make_optimizer(lens_, options_);
}

TunedLensTrainer::Step TunedLensTrainer::step(const TokenBatch& batch) {
  LensLossOptions of{options_.loss, options_.shift, !options_.bias_only, true};
  const LensLosses losses = tuned_lens_losses(lm_, lens_, batch, of);
  const std::vector<at::Tensor> gradients = {losses.weight, losses.bias};
  Step step;
  step.loss = losses.loss;
  step.gradient_norm = clip_gradients(gradients, options_.clip);
  const int64_t end = options_.decay_end > 0 ? options_.decay_end : options_.steps;
  const double most = options_.rate_scale * (options_.adam ? kAdamRate : 1 - options_.momentum);
  step.learning_rate = most * rate_factor({ScheduleKind::kLinear, options_.warmup, end}, done_);
  optimizer_->step(gradients, step.learning_rate);
  ++done_;
  return step;
}

void TunedLensTrainer::save(const std::filesystem::path& folder) const {
  save_tuned_lens(lens_, folder);
  // The lens again: params.pt is float32 in every case.
  TrainingState state;
  state.tensors = {{"weight", lens_.weight}, {"bias", lens_.bias}};
  for (const auto& [name, tensor] : optimizer_->state()) state.tensors[kOptimizer + name] = tensor;
  state.texts = {{"steps_done", std::to_string(done_)}, {"settings", settings(options_)}};
  save_state(state, folder / kState);
}

void TunedLensTrainer::resume(const std::filesystem::path& folder) {
  const at::NoGradGuard no_grad;
  const std::filesystem::path file = folder / kState;
  TrainingState state = read_state(file);
  require(state.texts["settings"] == settings(options_),
          "{}: expected a training with the settings '{}', found '{}'", file.string(),
          settings(options_), state.texts["settings"]);
  const at::Tensor weight = state.tensors["weight"], bias = state.tensors["bias"];
  require(weight.defined() && bias.defined() && weight.sizes() == lens_.weight.sizes() &&
              bias.sizes() == lens_.bias.sizes(),
          "{}: a training of another model", file.string());
  std::map<std::string, at::Tensor> of_optimizer;
  for (const auto& [name, tensor] : state.tensors) {
    if (name.rfind(kOptimizer, 0) == 0) of_optimizer[name.substr(kOptimizer.size())] = tensor;
  }
  optimizer_->load_state(of_optimizer);
  lens_.weight.copy_(weight);
  lens_.bias.copy_(bias);
  done_ = std::stoll(state.texts["steps_done"]);
}

at::Tensor token_rows(const std::vector<int64_t>& tokens, int64_t length) {
  const int64_t n = static_cast<int64_t>(tokens.size()) / length;
  require(n > 0, "tuned lens: expected a text of at least {} tokens, got {}", length,
          tokens.size());
  return at::tensor(std::vector<int64_t>(tokens.begin(), tokens.begin() + n * length), at::kLong)
      .view({n, length});
}

TokenBatch rows_of_step(const at::Tensor& rows, int64_t step, int64_t batch, uint64_t seed) {
  const int64_t n = rows.size(0);
  std::vector<int64_t> order(n), chosen;
  int64_t epoch = -1;
  for (int64_t i = step * batch; i < (step + 1) * batch; ++i) {
    if (i / n != epoch) {
      epoch = i / n;
      std::iota(order.begin(), order.end(), 0);
      std::mt19937_64 random(seed + static_cast<uint64_t>(epoch));
      // By hand: std::shuffle draws differently from library to library.
      for (int64_t k = n - 1; k > 0; --k) {
        std::swap(order[k], order[random() % static_cast<uint64_t>(k + 1)]);
      }
    }
    chosen.push_back(order[i % n]);
  }
  TokenBatch of_step;
  of_step.tokens = rows.index_select(0, at::tensor(chosen, at::kLong));
  return of_step;
}

}  // namespace weir
