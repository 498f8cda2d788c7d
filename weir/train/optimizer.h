#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Optimisers over a list of tensors, which they change in place; gradients are handed in, so that
/// nothing depends on how they were found. Same updates as torch.optim.
namespace weir {

struct SgdOptions {
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< Coupled: added to the gradient as weight_decay * parameter.
};

struct AdamOptions {
  double beta1 = 0.9, beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  bool decoupled = false;  ///< AdamW (1711.05101): parameters shrink by rate * weight_decay.
  bool amsgrad = false;    ///< The largest second moment so far (1904.09237).
};

/// Scales gradients (undefined ones are skipped) in place so that their common 2-norm is at most
/// `most`; returns the norm before.
double clip_gradients(const std::vector<at::Tensor>& gradients, double most);

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One update. A parameter whose gradient is undefined is left alone: no decay, no count of its
  /// steps. kInvalidArgument when lengths or shapes differ.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

  /// What must be kept to go on later; `load_state` takes it into an optimiser of the same kind
  /// over parameters of the same shapes.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

 protected:
  /// `slots`: names of the tensors kept for each parameter, 0 at the start.
  Optimizer(std::vector<at::Tensor> parameters, std::vector<std::string> slots);
  /// `count`: steps of this parameter, this one included.
  virtual void update(at::Tensor parameter, const at::Tensor& gradient,
                      std::vector<at::Tensor>& slots, int64_t count, double learning_rate) = 0;

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<std::string> slot_names_;
  std::vector<std::vector<at::Tensor>> slots_;  ///< [parameter][slot]
  at::Tensor counts_;                           ///< int64 [parameters]
};

/// d = g + wd p; u = mu u + d (u = d at first); p -= rate (d + mu u with Nesterov, else u).
class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<at::Tensor> parameters, const SgdOptions& options);

 private:
  void update(at::Tensor parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
              int64_t count, double learning_rate) override;
  SgdOptions options_;
};

/// Adam (1412.6980) with bias correction, AMSGrad and AdamW by its options.
class Adam final : public Optimizer {
 public:
  Adam(std::vector<at::Tensor> parameters, const AdamOptions& options);

 private:
  void update(at::Tensor parameter, const at::Tensor& gradient, std::vector<at::Tensor>& slots,
              int64_t count, double learning_rate) override;
  AdamOptions options_;
};

}  // namespace weir
