#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/logistic.h"

namespace weir {

/// SAEBench's probe for many features: AdamW in float32 on the mean logistic loss of mini-batches.
struct GradientProbeOptions {
  int64_t batch = 250;
  int64_t epochs = 100;
  double learning_rate = 1e-2;
  double weight_decay = 0.01;  ///< torch.optim.AdamW's default.
  double l1 = 0;               ///< Times sum |w|, added to the loss.
  int64_t patience = 0;        ///< Epochs without a better test accuracy that end it; 0: none.
  uint64_t seed = 0;           ///< Of the start (uniform, torch.nn.Linear's) and the order of rows.
  /// Given instead of drawn: weight [F], bias, an order int64 [N] for each epoch.
  at::Tensor weight, bias;
  std::vector<at::Tensor> orders;
};

struct GradientProbe {
  LinearProbe probe;
  double test_accuracy = 0;
};
/// The weights of the epoch with the best accuracy on the test rows, the first of equals. That is
/// what upstream reports: the test rows choose the epoch, so the accuracy is a little too good.
GradientProbe train_probe(const at::Tensor& x, const at::Tensor& y, const at::Tensor& x_test,
                          const at::Tensor& y_test, const GradientProbeOptions& options = {});

}  // namespace weir
