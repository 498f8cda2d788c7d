#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

/// Linear regressions of vectors on parts of a stream, in float64. Letters: N prompts, J parts,
/// D coordinates.
namespace weir {

/// m_n = sum_j w_j c_nj + b + e_n: one weight a part, one vector b for all prompts.
struct PartsFit {
  at::Tensor w;   ///< [J]; 0 for dropped parts
  at::Tensor g;   ///< [J] 1 + w: with what weight a part leaves the sum of the stream and m
  at::Tensor se;  ///< [J] sqrt(sigma2 diag G^-1), sigma2 = RSS / (N D - J - D)
  at::Tensor b;   ///< [D]
  at::Tensor G;   ///< [J, J] sums over prompts and coordinates of products of the centred parts
  at::Tensor h;   ///< [J] the same with m
  double r2 = 0;  ///< Of the variation of m about its mean over prompts.
  double sigma2 = 0;
  double condition = 0;  ///< Of G without dropped parts; above 1e6 single weights mean little.
  /// Parts that do not vary over prompts: b holds them.
  std::vector<int64_t> dropped;
  bool is_ill_conditioned() const { return condition > 1e6; }
};

/// The sums that such a fit needs, carried along over batches of prompts: memory O(J^2 + J D).
/// Centred about the mean of what was added so far, so that large means cost no digits. Sums of
/// different subjects can be merged in any choice: leaving one out and drawing with replacement
/// look at no prompt twice.
class PartsSums {
 public:
  /// c [N, J, D], m [N, D].
  void add(const at::Tensor& c, const at::Tensor& m);
  void merge(const PartsSums& other);
  /// `ridge` is added to the diagonal of G.
  PartsFit fit(double ridge = 0) const;
  const at::Tensor& mean_m() const { return mean_m_; }

 private:
  int64_t n_ = 0;
  bool is_single_ = false;      // float32 data: parts equal up to its rounding do not vary
  at::Tensor mean_c_, mean_m_;  // [J, D], [D]
  at::Tensor G_, h_, squares_;  // [J, J], [J], [] of m
  at::Tensor size_;             // [J] sums of c^2, not centred
};

/// 1 - RSS / TSS of each coordinate, [D].
at::Tensor r2_by_coordinate(const PartsFit& fit, const at::Tensor& c, const at::Tensor& m);

/// Weights of the fit without each group in turn, and R^2 pooled over what was left out. The two
/// R^2 differ in the mean in the denominator: that of the other groups, which the fit knew, or the
/// left-out group's own.
struct HeldOut {
  at::Tensor w;  ///< [S, J]
  double r2 = 0, r2_own_mean = 0;
};
/// `group` int64 [N], 0 .. S-1: subjects, so that no subject is in both parts.
HeldOut leave_one_group_out(const at::Tensor& c, const at::Tensor& m, const at::Tensor& group,
                            double ridge = 0);
/// Weights [R, J] of refits to groups drawn with replacement: `draws` int64 [R, S]; a group drawn
/// twice counts twice.
at::Tensor bootstrap_weights(const at::Tensor& c, const at::Tensor& m, const at::Tensor& group,
                             const at::Tensor& draws, double ridge = 0);

/// y = intercept + x w for rows x [N, J], y [N], with standard errors.
struct ScalarFit {
  double intercept = 0, r2 = 0;
  at::Tensor w, se;
};
ScalarFit ordinary_least_squares(const at::Tensor& x, const at::Tensor& y);

}  // namespace weir
