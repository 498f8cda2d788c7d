#include "weir/subnet/masked_loss.h"

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/lm/unembedding.h"
#include "weir/subnet/target_loss.h"
#include "weir/tensor/hand_gradient.h"

namespace weir {
namespace {

// Noise of exactly 0 or 1 has no logarithm (the reference clamps too).
constexpr double kLeastNoise = 1e-4;
constexpr uint64_t kPartStride = 0x9e3779b97f4a7c15ULL;

/// The part's masked matrix as a node of the graph whose gradient goes to the sink.
at::Tensor masked_node(const SoftMask& mask, size_t part, double lambda, const GradientSink& sink) {
  const at::Tensor leaf = mask.logits[part].detach().requires_grad_(true);
  const double share = lambda / static_cast<double>(mask.space.size());
  const auto forward = [&mask, part](const std::vector<at::Tensor>&) {
    return mask.space.masked(part, mask.values(part).z);
  };
  const auto backward = [&mask, part, share, &sink](const std::vector<at::Tensor>&,
                                                    const at::Tensor& gradient,
                                                    const std::vector<bool>&) {
    const MaskValues values = mask.values(part);
    at::Tensor of_logits = mask.space.gradient(part, gradient).mul_(values.slope);
    if (share != 0) of_logits.add_(values.penalty_slope, share);
    sink(part, of_logits);
    return std::vector<at::Tensor>(1);
  };
  const auto composed = [](const std::vector<at::Tensor>&) -> at::Tensor {
    fail(ErrorCode::kUnsupported, "masks: the loss has no second derivatives");
  };
  return with_gradient({leaf}, {forward, backward, composed});
}

Weights overlay_of(const SoftMask& mask, double lambda, const GradientSink& sink) {
  Weights overlay = mask.space.weights();
  for (size_t i = 0; i < mask.logits.size(); ++i) {
    mask.space.install(
        overlay, i,
        sink ? masked_node(mask, i, lambda, sink) : mask.space.masked(i, mask.values(i).z));
  }
  return overlay;
}

double mean_penalty(const SoftMask& mask) {
  const at::NoGradGuard no_grad;
  double sum = 0;
  for (size_t i = 0; i < mask.logits.size(); ++i) {
    sum += mask.values(i).penalty.sum(at::kDouble).item<double>();
  }
  return sum / static_cast<double>(mask.space.size());
}

}  // namespace

at::Tensor SoftMask::noise(size_t part) const {
  if (!method.is_random()) return {};
  const auto generator = at::detail::createCPUGenerator(noise_seed + kPartStride * (part + 1));
  return at::rand(logits[part].sizes(), generator, logits[part].options())
      .clamp_(kLeastNoise, 1 - kLeastNoise);
}

MaskValues SoftMask::values(size_t part) const {
  return method.values(logits[part], beta, noise(part));
}

MaskedLoss masked_loss(const Transformer& transformer, const SoftMask& mask,
                       const at::Tensor& tokens, const TokenTarget& target, double lambda,
                       const GradientSink& sink) {
  require(mask.logits.size() == mask.space.parts().size(),
          "masks: expected logits of {} parts, got {}", mask.space.parts().size(),
          mask.logits.size());
  MaskedLoss loss;
  loss.penalty = mean_penalty(mask);
  const at::AutoGradMode graph(sink != nullptr);
  const Weights overlay = overlay_of(mask, lambda, sink);
  ForwardInput input;
  input.tokens = tokens;
  input.logits = LogitsAt::kNone;
  const at::Tensor residual = transformer.forward(overlay, input).residual;
  const at::Tensor x = final_normed(transformer.config(), overlay, residual).flatten(0, 1);
  const std::unique_ptr<TargetBatch> batch = target.of(tokens);
  TargetLossOptions options;
  options.gradient = sink != nullptr;
  const TargetLoss of =
      target_loss(transformer.config(), overlay, x.detach(), target, *batch, options);
  loss.cross_entropy = of.cross_entropy.mean().item<double>();
  loss.kl = loss.cross_entropy - of.entropy.mean().item<double>();
  loss.total = loss.cross_entropy + lambda * loss.penalty;
  if (sink) torch::autograd::backward({x}, {of.gradient});
  return loss;
}

void Decided::add(const at::Tensor& z) {
  const int64_t low = (z < 0.1).sum().item<int64_t>(), high = (z > 0.9).sum().item<int64_t>();
  below += low;
  above += high;
  undecided += z.numel() - low - high;
}

Decided decided(const SoftMask& mask) {
  const at::NoGradGuard no_grad;
  Decided counts;
  for (const at::Tensor& logits : mask.logits) counts.add(mask.method.soft(logits, mask.beta));
  return counts;
}

}  // namespace weir
