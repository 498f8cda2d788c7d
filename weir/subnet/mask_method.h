#pragma once

#include <memory>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// How masks are learnt: from one real number s, the mask logit, for each thing that is masked.
namespace weir {

/// Of every logit; `slope` d z / d s, and the same of the penalty.
struct MaskValues {
  at::Tensor z, slope, penalty, penalty_slope;
};

class MaskMethod {
 public:
  virtual ~MaskMethod() = default;
  virtual std::string name() const = 0;
  /// The logit that a training starts from.
  virtual double initial() const = 0;
  /// Whether z is drawn anew in each step, from noise uniform in (0, 1).
  virtual bool is_random() const { return false; }
  /// In training. `beta`: the temperature multiplier; `noise` like `logits`, where is_random().
  virtual MaskValues values(const at::Tensor& logits, double beta,
                            const at::Tensor& noise) const = 0;
  /// What the mask is outside of training, still soft.
  virtual at::Tensor soft(const at::Tensor& logits, double beta) const = 0;
  /// bool: what is kept in the end.
  virtual at::Tensor hard(const at::Tensor& logits) const;  ///< By default s > 0.
};

/// z = sigmoid(beta s), penalty z, from s = 0; beta grows over the steps (1912.04427 with frozen
/// weights, as 2504.15471 uses it).
std::unique_ptr<MaskMethod> continuous_sparsification();

/// Hard concrete gates (1712.01312; as subnetwork probing uses them, 2104.03514):
///   z = clamp((right - left) sigmoid((log u - log(1 - u) + s) / b) + left, 0, 1)
/// with the penalty P(z > 0) = sigmoid(s - b log(-left / right)). Outside of training
/// z = clamp((right - left) sigmoid(s) + left, 0, 1), kept where that is above 1/2. beta is not
/// used.
struct HardConcrete {
  double left = -0.1, right = 1.1, b = 2.0 / 3;
  double initial_mask = 0.9;  ///< z outside of training at the start
};
std::unique_ptr<MaskMethod> hard_concrete(const HardConcrete& options = {});

/// z = 1 where s > 0, else 0, with the slope of sigmoid(beta s) (1308.3432), whose value is the
/// penalty; from s = 0.01, all kept.
std::unique_ptr<MaskMethod> straight_through();

/// continuous, hard-concrete, straight-through
std::unique_ptr<MaskMethod> mask_method_of(const std::string& name);

}  // namespace weir
