#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

/// Linear probes of two classes by LIBLINEAR (Fan et al. 2008), and how they are scored. Labels y
/// are [N] of 0 and 1; rows x [N, F].
namespace weir {

struct LinearProbe {
  at::Tensor weight;  ///< float64 [F]
  double bias = 0;
  /// x weight + bias, float64 [N]; above 0: class 1.
  at::Tensor decision(const at::Tensor& x) const;
};

struct LogisticOptions {
  double C = 1;     ///< Of min penalty + C sum of losses; penalty |w|^2 / 2, or |w|_1.
  bool l1 = false;  ///< The L1 penalty.
  /// scikit-learn's "liblinear" penalises the intercept, its other solvers do not. Not penalised
  /// here means a penalty 10^-6 times as strong (a constant feature of 10^3).
  bool penalise_intercept = false;
  /// Losses of a class times N / (2 N_class): rare classes count as much (scikit-learn's
  /// "balanced").
  bool balanced = false;
  double tolerance = 1e-8;  ///< Of the gradient, relative to that at 0.
};

/// The minimum of a convex function, so that seeds play no part. kInvalidArgument for labels of one
/// class, or others than 0 and 1.
LinearProbe fit_logistic(const at::Tensor& x, const at::Tensor& y,
                         const LogisticOptions& options = {});

struct ProbeScores {
  double accuracy = 0;
  double f1 = 0;           ///< Of class 1.
  double f1_weighted = 0;  ///< Mean of both classes' F1, weighted by their numbers.
  double auc = 0;          ///< Area under the ROC curve; ties count half. NaN for one class.
  double margin = 0;       ///< Smallest |decision|: accuracies of solvers differ where it is tiny.
};
ProbeScores score_probe(const at::Tensor& decision, const at::Tensor& y);

}  // namespace weir
