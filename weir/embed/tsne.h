#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/embed/affinities.h"

/// t-SNE: a map in the plane whose points have the neighbours that they have in x.
/// Van der Maaten and Hinton, "Visualizing Data using t-SNE" (JMLR 2008); the settings are those
/// that Belkina et al. 2019 and Kobak and Berens 2019 advise, as openTSNE has them.
namespace weir {

enum class TsneMethod {
  kAuto,   ///< exact up to 1,000 points, else grid
  kExact,  ///< All pairs, in P and in the repulsion: O(n^2) an iteration. The reference.
  kGrid,   ///< P on 3 x perplexity neighbours, repulsion by FFT (repulsion.h).
};

struct TsneOptions {
  double perplexity = 30;
  Metric metric = Metric::kEuclidean;
  TsneMethod method = TsneMethod::kAuto;
  double early_exaggeration = 12;  ///< P is multiplied by it for the early iterations.
  int64_t early_iterations = 250;
  double exaggeration = 1;
  int64_t iterations = 750;  ///< After the early ones.
  double early_momentum = 0.5, momentum = 0.8;
  /// Of the gradient without its factor 4; 0: n/exaggeration of the phase, at least 200.
  double learning_rate = 0;
  uint64_t seed = 0;
  /// Where to start, [n, 2]; undefined: the first two principal components, scaled to a standard
  /// deviation of 1e-4, with noise of a hundredth of that so that equal points can part.
  at::Tensor start = {};
};

/// KL(P || Q) at some step; during the early ones of P before it was exaggerated.
struct TsneStep {
  int64_t iteration = 0;
  double kl = 0;
};

struct TsneMap {
  at::Tensor y;  ///< float64 [n, 2], mean 0
  double kl = 0;
  /// KL over the pairs in P; with kGrid, P has those of neighbours alone, as everywhere.
  std::vector<TsneStep> steps;
};

/// The same map for the same options and number of threads on the same machine; with a `start`,
/// whatever the number of threads (the components it else begins with come from the BLAS).
/// kInvalidArgument unless 1 < perplexity < n - 1 and x is finite [n, d], n >= 4.
TsneMap tsne(const at::Tensor& x, const TsneOptions& options = {});

/// P of the options' method: of all pairs or of neighbours.
SparseMatrix tsne_affinities(const at::Tensor& x, const TsneOptions& options);

struct TsneObjective {
  double kl = 0;
  at::Tensor gradient;  ///< [n, 2]: 4 sum_j (p_ij - q_ij)(y_i - y_j)/(1 + |y_i - y_j|^2)
};
/// At a given map; kAuto goes by n.
TsneObjective tsne_objective(const SparseMatrix& p, const at::Tensor& y, TsneMethod method);

}  // namespace weir
