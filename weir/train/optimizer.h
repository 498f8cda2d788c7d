#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Optimisers over a list of tensors, which they change in place; gradients are handed in, so that
/// nothing depends on how they were found. Same updates as torch.optim.
namespace weir {

/// How one parameter departs from the options of its optimiser.
struct ParameterRule {
  double decay = 1;  ///< Factor of weight_decay: 0 leaves it undecayed.
  double rate = 1;   ///< Factor of the learning rate.
};

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  /// One for each parameter, from the next step on. Not part of the state.
  void set_rules(std::vector<ParameterRule> rules);

  /// One update. A parameter whose gradient is undefined is left alone: no decay, no count of its
  /// steps. kInvalidArgument when lengths or shapes differ.
  void step(const std::vector<at::Tensor>& gradients, double learning_rate);

  /// What must be kept to go on later, as "INDEX.SLOT" and "counts"; `load_state` takes it into an
  /// optimiser of the same kind over parameters of the same shapes. The tensors are the
  /// optimiser's own, not copies.
  std::map<std::string, at::Tensor> state() const;
  void load_state(const std::map<std::string, at::Tensor>& state);

 protected:
  using Names = std::vector<std::string>;
  /// `slots`: names of the tensors kept for each parameter, 0 at the start.
  Optimizer(std::vector<at::Tensor> parameters, const Names& slots);
  /// The same with names that differ between parameters.
  Optimizer(std::vector<at::Tensor> parameters, const std::vector<Names>& slots);

  struct Update {
    size_t index;          ///< Of the parameter.
    at::Tensor parameter;  ///< Without a graph.
    const at::Tensor& gradient;
    std::vector<at::Tensor>& slots;
    int64_t count;  ///< Steps of this parameter, this one included.
    double rate, decay_factor;
  };
  virtual void update(const Update& update) = 0;

 private:
  std::vector<at::Tensor> parameters_;
  std::vector<Names> slot_names_;
  std::vector<ParameterRule> rules_;
  std::vector<std::vector<at::Tensor>> slots_;  ///< [parameter][slot]
  at::Tensor counts_;                           ///< int64 [parameters]
};

struct SgdOptions {
  double momentum = 0;
  bool nesterov = false;
  double weight_decay = 0;  ///< Coupled: added to the gradient as weight_decay * parameter.
  double dampening = 0;     ///< Share of d that later steps keep out of u.
  bool maximize = false;    ///< Uphill.
};

/// d = g + wd p; u = mu u + (1 - dampening) d (u = d at first); p -= rate (d + mu u with Nesterov,
/// else u).
class Sgd final : public Optimizer {
 public:
  Sgd(std::vector<at::Tensor> parameters, const SgdOptions& options);

 private:
  void update(const Update& update) override;
  SgdOptions options_;
};

struct RmsPropOptions {
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0;  ///< Coupled.
};

/// v = alpha v + (1 - alpha) d^2; p -= rate d / (sqrt(v) + eps) (Tieleman and Hinton 2012; torch's
/// form, not centred).
class RmsProp final : public Optimizer {
 public:
  RmsProp(std::vector<at::Tensor> parameters, const RmsPropOptions& options);

 private:
  void update(const Update& update) override;
  RmsPropOptions options_;
};

}  // namespace weir
