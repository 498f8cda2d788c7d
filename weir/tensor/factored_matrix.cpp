#include "weir/tensor/factored_matrix.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

void check(const FactoredMatrix& matrix) {
  const at::Tensor &left = matrix.left, &right = matrix.right;
  require(left.defined() && right.defined() && left.dim() >= 2 && right.dim() >= 2 &&
              left.size(-1) == right.size(-2),
          "factored matrix: expected factors [.., d, k] and [.., k, e], got {} and {}",
          left.defined() ? c10::str(left.sizes()) : "nothing",
          right.defined() ? c10::str(right.sizes()) : "nothing");
}

}  // namespace

at::Tensor FactoredMatrix::product() const {
  check(*this);
  return at::matmul(left, right);
}

at::Tensor FactoredMatrix::norm() const {
  check(*this);
  const at::Tensor l = left.to(at::kDouble), r = right.to(at::kDouble);
  // |L R|^2 = trace(R^T L^T L R) = sum of (L^T L) * (R R^T), both symmetric.
  const at::Tensor gram = at::matmul(l.mT(), l) * at::matmul(r, r.mT());
  return gram.sum({-2, -1}).clamp_min(0).sqrt().to(left.scalar_type());
}

Svd FactoredMatrix::svd() const {
  check(*this);
  // L = Q_l R_l and R^T = Q_r R_r, so that L R = Q_l (R_l R_r^T) Q_r^T.
  const auto [q_left, r_left] = at::linalg_qr(left.to(at::kDouble), "reduced");
  const auto [q_right, r_right] = at::linalg_qr(right.to(at::kDouble).mT(), "reduced");
  const auto [u, s, vh] = at::linalg_svd(at::matmul(r_left, r_right.mT()), /*full_matrices=*/false);
  const at::ScalarType dtype = left.scalar_type();
  return {at::matmul(q_left, u).to(dtype), s.to(dtype), at::matmul(vh, q_right.mT()).to(dtype)};
}

}  // namespace weir
