#pragma once

#include "weir/train/optimizer.h"

namespace weir {

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  ///< AdamW (1711.05101): parameters shrink by rate * weight_decay.
  bool amsgrad = false;    ///< The largest second moment so far (1904.09237).
  bool maximize = false;   ///< Uphill.
};

/// Adam (1412.6980) with bias correction, AMSGrad and AdamW by its options; t counts the steps of
/// a parameter:
///
///   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
///   p -= rate / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)
///
/// Float32 parameters on the CPU are updated in one pass over memory, on all threads and without
/// temporaries; the result does not depend on how many threads there are.
class Adam final : public Optimizer {
 public:
  Adam(std::vector<at::Tensor> parameters, const AdamOptions& options);

 private:
  void update(const Update& update) override;
  AdamOptions options_;
};

/// One update by Adam's rule, for optimisers that treat some parameters so: slots are "mean",
/// "square" and, for AMSGrad, "largest_square".
struct AdamStep {
  at::Tensor parameter, gradient;
  std::vector<at::Tensor> slots;
  int64_t count;
  double rate, weight_decay;
};
void adam_update(const AdamStep& step, const AdamOptions& options);
std::vector<std::string> adam_slots(const AdamOptions& options);

}  // namespace weir
