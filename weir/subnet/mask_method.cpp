#include "weir/subnet/mask_method.h"

#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

class Continuous final : public MaskMethod {
 public:
  std::string name() const override { return "continuous"; }
  double initial() const override { return 0; }
  MaskValues values(const at::Tensor& logits, double beta, const at::Tensor&) const override {
    MaskValues of;
    of.z = soft(logits, beta);
    of.slope = of.z * (1 - of.z);
    of.slope.mul_(beta);
    of.penalty = of.z;
    of.penalty_slope = of.slope;
    return of;
  }
  at::Tensor soft(const at::Tensor& logits, double beta) const override {
    return (logits * beta).sigmoid_();
  }
};

class StraightThrough final : public MaskMethod {
 public:
  std::string name() const override { return "straight-through"; }
  double initial() const override { return 0.01; }
  MaskValues values(const at::Tensor& logits, double beta, const at::Tensor&) const override {
    MaskValues of;
    of.z = (logits > 0).to(logits.scalar_type());
    of.penalty = (logits * beta).sigmoid_();
    of.slope = of.penalty * (1 - of.penalty) * beta;
    of.penalty_slope = of.slope;
    return of;
  }
  at::Tensor soft(const at::Tensor& logits, double) const override {
    return (logits > 0).to(logits.scalar_type());
  }
};

class HardConcreteMethod final : public MaskMethod {
 public:
  explicit HardConcreteMethod(const HardConcrete& options) : of_(options) {
    require(options.left < 0 && options.right > 1 && options.b > 0,
            "hard concrete: expected left < 0, right > 1 and b > 0, got {}, {}, {}", options.left,
            options.right, options.b);
    require(options.initial_mask > 0 && options.initial_mask < 1,
            "hard concrete: expected an initial mask between 0 and 1, got {}",
            options.initial_mask);
  }
  std::string name() const override { return "hard-concrete"; }
  double initial() const override {
    const double p = (of_.initial_mask - of_.left) / (of_.right - of_.left);
    return std::log(p / (1 - p));
  }
  bool is_random() const override { return true; }
  MaskValues values(const at::Tensor& logits, double, const at::Tensor& noise) const override {
    const double width = of_.right - of_.left;
    const at::Tensor s = ((noise.log() - (1 - noise).log() + logits) / of_.b).sigmoid_();
    const at::Tensor stretched = s * width + of_.left;
    MaskValues of;
    of.z = stretched.clamp(0, 1);
    const at::Tensor inside = (stretched >= 0).logical_and(stretched <= 1);
    of.slope = s * (1 - s) * (width / of_.b) * inside;
    of.penalty = (logits - of_.b * std::log(-of_.left / of_.right)).sigmoid_();
    of.penalty_slope = of.penalty * (1 - of.penalty);
    return of;
  }
  at::Tensor soft(const at::Tensor& logits, double) const override {
    return (logits.sigmoid() * (of_.right - of_.left) + of_.left).clamp_(0, 1);
  }
  at::Tensor hard(const at::Tensor& logits) const override { return soft(logits, 1) > 0.5; }

 private:
  HardConcrete of_;
};

}  // namespace

at::Tensor MaskMethod::hard(const at::Tensor& logits) const { return logits > 0; }

std::unique_ptr<MaskMethod> continuous_sparsification() { return std::make_unique<Continuous>(); }
std::unique_ptr<MaskMethod> hard_concrete(const HardConcrete& options) {
  return std::make_unique<HardConcreteMethod>(options);
}
std::unique_ptr<MaskMethod> straight_through() { return std::make_unique<StraightThrough>(); }

std::unique_ptr<MaskMethod> mask_method_of(const std::string& name) {
  if (name == "continuous") return continuous_sparsification();
  if (name == "hard-concrete") return hard_concrete();
  if (name == "straight-through") return straight_through();
  fail(ErrorCode::kInvalidArgument,
       "masks: expected continuous, hard-concrete or straight-through, got '{}'", name);
}

}  // namespace weir
