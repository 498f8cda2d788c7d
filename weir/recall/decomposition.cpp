#include "weir/recall/decomposition.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// Solutions of least length for A [B, n, J], y [B, n]: [B, J]. Through the singular values: neither
// fewer equations than unknowns nor parts that repeat each other are in the way.
at::Tensor least_squares(const at::Tensor& a, const at::Tensor& y) {
  return at::matmul(at::linalg_pinv(a), y.unsqueeze(-1)).squeeze(-1);
}

}  // namespace

at::Tensor normed_parts(const at::Tensor& c_in, const at::Tensor& scale, const at::Tensor& gain,
                        bool centre) {
  at::Tensor c = c_in.to(at::kDouble);
  if (centre) c = c - c.mean(-1, /*keepdim=*/true);
  c = c / scale.to(at::kDouble).view({-1, 1, 1});
  return gain.defined() ? c * gain.to(at::kDouble) : c;
}

CoordinateFit fit_each_coordinate(const at::Tensor& c_in, const at::Tensor& m_in) {
  const at::Tensor c = c_in.to(at::kDouble), m = m_in.to(at::kDouble);
  PartsSums sums;
  sums.add(c_in, m_in);
  at::Tensor varies = at::ones({c.size(1)}, at::kDouble);
  for (const int64_t part : sums.fit().dropped) varies[part] = 0;
  const at::Tensor centred = ((c - c.mean(0)) * varies.view({-1, 1})).permute({2, 0, 1});
  const at::Tensor target = (m - m.mean(0)).t();  // [D, N]
  CoordinateFit fit;
  const at::Tensor w = least_squares(centred, target);  // [D, J]
  fit.w = w.t().contiguous();
  fit.b = m.mean(0) - (fit.w * c.mean(0)).sum(0);
  const at::Tensor error = target - at::matmul(centred, w.unsqueeze(-1)).squeeze(-1);
  fit.r2_coordinate = 1 - error.square().sum(1) / target.square().sum(1);
  fit.r2 = 1 - (error.square().sum() / target.square().sum()).item<double>();
  return fit;
}

MatrixFit fit_matrices(const at::Tensor& c_in, const at::Tensor& m_in, double ridge) {
  require(ridge > 0, "decomposition: matrices need ridge > 0, got {}", ridge);
  const at::Tensor c = c_in.to(at::kDouble), m = m_in.to(at::kDouble);
  const at::Tensor x = (c - c.mean(0)).flatten(1), target = m - m.mean(0);
  const at::Tensor kernel = at::mm(x, x.t());
  const at::Tensor dual =
      at::linalg_solve(kernel + ridge * at::eye(x.size(0), at::kDouble), target);  // [N, D]
  const at::Tensor error = target - at::mm(kernel, dual);
  const at::Tensor W = at::mm(dual.t(), x);  // [D, J D]
  MatrixFit fit;
  fit.b = m.mean(0) - at::mv(W, c.mean(0).flatten());
  fit.W = W.view({m.size(1), c.size(1), c.size(2)}).transpose(0, 1).contiguous();
  fit.r2 = 1 - (error.square().sum() / target.square().sum()).item<double>();
  return fit;
}

ScalarFit fit_along(const at::Tensor& c, const at::Tensor& m, const at::Tensor& u_in) {
  const at::Tensor u = u_in.to(at::kDouble);
  return ordinary_least_squares((c.to(at::kDouble) * u.unsqueeze(1)).sum(-1),
                                (m.to(at::kDouble) * u).sum(-1));
}

PromptFits fit_each_prompt(const at::Tensor& c_in, const at::Tensor& m_in) {
  const at::Tensor x = c_in.to(at::kDouble).transpose(1, 2);  // [N, D, J]
  const at::Tensor m = m_in.to(at::kDouble);
  const at::Tensor centred = x - x.mean(1, true), target = m - m.mean(1, true);
  PromptFits fits;
  fits.w = least_squares(centred, target);
  fits.intercept = m.mean(1) - (fits.w * x.mean(1)).sum(1);
  const at::Tensor error = target - at::matmul(centred, fits.w.unsqueeze(-1)).squeeze(-1);
  fits.r2 = 1 - error.square().sum(1) / target.square().sum(1);
  return fits;
}

}  // namespace weir
