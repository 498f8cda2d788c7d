#include "weir/subnet/mask_training.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr double kDead = -1e6;  // The logit of a weight that is 0.
constexpr const char *kLogits = "logits.", *kOptimizer = "optimizer.";
constexpr uint64_t kStepStride = 0x2545f4914f6cdd1dULL;

}  // namespace

MaskTrainer::MaskTrainer(const Transformer& transformer, const MaskSpace& space,
                         const TokenTarget& target, std::unique_ptr<MaskMethod> method,
                         const MaskTraining& options)
    : transformer_(transformer),
      space_(space),
      target_(target),
      method_(std::move(method)),
      options_(options),
      logits_(space.filled(method_->initial())) {
  require(options.growth > 0 && options.accumulate >= 1 && options.max_steps >= 1,
          "masks: expected growth above 0 and at least one step and batch, got {}, {}, {}",
          options.growth, options.max_steps, options.accumulate);
  if (space.unit() == MaskUnit::kWeight) {
    for (size_t i = 0; i < logits_.size(); ++i) logits_[i].masked_fill_(space.base(i) == 0, kDead);
  }
  AdamOptions adam;
  adam.decoupled = true;
  adam.weight_decay = options.weight_decay;
  optimizer_ = std::make_unique<Adam>(logits_, adam);
  sums_.resize(logits_.size());
}

uint64_t MaskTrainer::noise_seed() const {
  return options_.seed + kStepStride * static_cast<uint64_t>(done_ + 1);
}

void MaskTrainer::receive(size_t part, const at::Tensor& gradient, bool is_last, Decided* decided) {
  const at::NoGradGuard no_grad;
  at::Tensor whole = gradient;
  if (options_.accumulate > 1) {
    at::Tensor& sum = sums_[part];
    const double share = 1 / static_cast<double>(options_.accumulate);
    sum = sum.defined() ? sum.add_(gradient, share) : gradient * share;
    if (!is_last) return;
    whole = sum;
    sum = at::Tensor();
  }
  std::vector<at::Tensor> gradients(logits_.size());
  gradients[part] = whole;
  optimizer_->step(gradients, options_.learning_rate);
  decided->add(method_->soft(logits_[part], beta_));
}

MaskTrainer::Step MaskTrainer::step(const std::vector<at::Tensor>& batches) {
  require(static_cast<int64_t>(batches.size()) == options_.accumulate,
          "masks: expected {} batches a step, got {}", options_.accumulate, batches.size());
  Step step;
  step.step = done_ + 1;
  step.beta = beta_;
  std::fill(sums_.begin(), sums_.end(), at::Tensor());
  for (size_t i = 0; i < batches.size(); ++i) {
    const bool is_last = i + 1 == batches.size();
    const MaskedLoss loss = masked_loss(transformer_, mask(), batches[i], target_, options_.lambda,
                                        [&](size_t part, const at::Tensor& gradient) {
                                          receive(part, gradient, is_last, &step.decided);
                                        });
    const double share = 1 / static_cast<double>(batches.size());
    step.loss.cross_entropy += share * loss.cross_entropy;
    step.loss.kl += share * loss.kl;
    step.loss.penalty += share * loss.penalty;
    step.loss.total += share * loss.total;
  }
  ++done_;
  beta_ *= options_.growth;
  return step;
}

Subnetwork MaskTrainer::subnetwork() const {
  std::vector<at::Tensor> keep;
  for (const at::Tensor& part : logits_) keep.push_back(method_->hard(part));
  return subnetwork_of(space_, std::move(keep));
}

std::string MaskTrainer::settings() const {
  return fmt::format("{} of {}s{} lambda {} rate {} decay {} growth {} accumulate {} seed {}",
                     method_->name(), to_string(space_.unit()),
                     space_.is_to_means() ? " to means" : "", options_.lambda,
                     options_.learning_rate, options_.weight_decay, options_.growth,
                     options_.accumulate, options_.seed);
}

void MaskTrainer::save(const std::filesystem::path& file) const {
  std::vector<io::TensorView> views;
  for (size_t i = 0; i < logits_.size(); ++i) {
    views.push_back(to_view(kLogits + space_.parts()[i].matrix.name, logits_[i]));
  }
  for (const auto& [name, tensor] : optimizer_->state()) {
    views.push_back(to_view(kOptimizer + name, tensor));
  }
  io::write_safetensors(file, views,
                        {{"steps_done", std::to_string(done_)},
                         {"beta", fmt::format("{:.17g}", beta_)},
                         {"settings", settings()}});
}

void MaskTrainer::resume(const std::filesystem::path& path) {
  const at::NoGradGuard no_grad;
  const io::TensorMap file = io::read_safetensors(path);
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    require(found != file.metadata.end(), "{}: not a training of masks: it has no '{}'",
            file.source, key);
    return found->second;
  };
  require(text("settings") == settings(), "{}: expected a training with '{}', found '{}'",
          file.source, settings(), text("settings"));
  std::vector<at::Tensor> logits;
  std::map<std::string, at::Tensor> state;
  for (size_t i = 0; i < logits_.size(); ++i) {
    const std::string& name = space_.parts()[i].matrix.name;
    logits.push_back(to_tensor(file.at(kLogits + name)));
    require(logits.back().sizes() == logits_[i].sizes(), "{}: '{}' is of another model",
            file.source, name);
  }
  const std::string prefix = kOptimizer;
  for (const io::TensorView& view : file.tensors) {
    if (view.name.rfind(prefix, 0) == 0) state[view.name.substr(prefix.size())] = to_tensor(view);
  }
  optimizer_->load_state(state);
  for (size_t i = 0; i < logits_.size(); ++i) logits_[i].copy_(logits[i]);
  done_ = std::stoll(text("steps_done"));
  beta_ = std::stod(text("beta"));
}

bool train_masks(MaskTrainer& trainer, const std::function<at::Tensor(int64_t)>& batch,
                 const std::function<void(const MaskTrainer::Step&)>& on_step,
                 const std::filesystem::path& file, int64_t save_every) {
  const MaskTraining& options = trainer.options();
  Progress progress("masks", static_cast<uint64_t>(options.max_steps), "steps");
  progress.set(static_cast<uint64_t>(trainer.steps_done()));
  bool stopped = false;
  try {
    while (!stopped && trainer.steps_done() < options.max_steps) {
      std::vector<at::Tensor> batches;
      for (int64_t i = 0; i < options.accumulate; ++i) {
        batches.push_back(batch(trainer.steps_done() * options.accumulate + i));
      }
      const MaskTrainer::Step step = trainer.step(batches);
      stopped = step.stop();
      if (on_step) on_step(step);
      if (!file.empty() && step.step % save_every == 0) trainer.save(file);
      progress.advance();
    }
  } catch (...) {
    if (!file.empty()) trainer.save(file);
    throw;
  }
  if (!file.empty()) trainer.save(file);
  return stopped;
}

}  // namespace weir
