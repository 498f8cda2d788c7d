#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/logistic.h"

/// Probes that see k latents only: how far single latents line up with concepts (Gurnee et al.
/// 2305.01610; SAEBench 2503.09532; sae-probes 2502.16681). Labels [N] of 0 and 1, latents [N, F],
/// pooled over a text's tokens.
namespace weir {

/// Mean over class 1 less mean over class 0, float64 [F].
at::Tensor mean_difference(const at::Tensor& x, const at::Tensor& y);
/// The same of latents over their mean magnitude where they are not 0 (sae-probes): a latent that
/// fires seldom but tells the classes apart goes before one that is large everywhere.
at::Tensor normalised_mean_difference(const at::Tensor& x, const at::Tensor& y);
/// int64 [k]: the largest magnitudes of a difference, largest first.
at::Tensor top_by_magnitude(const at::Tensor& difference, int64_t k);

/// Rows to learn from and rows to score.
struct ProbeSet {
  at::Tensor x, y, x_test, y_test;
};

/// SAEBench's k-sparse probe: the top k by mean difference, in order of index; L2, C = 1.
struct SparseProbe {
  at::Tensor latents;  ///< int64 [k]
  LinearProbe probe;
  double C = 1;
  ProbeScores test;
  double train_accuracy = 0, validation_auc = 0;
};
SparseProbe sparse_probe(const ProbeSet& set, int64_t k);

/// sae-probes': the top k by normalised mean difference, largest first; C the first with the best
/// AUC of logspace(5, -5, 10) on validation rows, then a fit to all rows. Validation: the last 20 %
/// of the rows but at most 100; with fewer than 128 rows six folds, of which each class fills the
/// rows i mod 6 (upstream shuffles them, and leaves pairs out of up to 12 rows).
SparseProbe tuned_sparse_probe(const ProbeSet& set, int64_t k, bool l1);

}  // namespace weir
