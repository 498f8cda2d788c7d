#include "weir/embed/pca.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/embed/unit_rows.h"

namespace weir {
namespace {

/// Right singular vectors of `centred`, as rows, and squared singular values; the k largest first.
std::pair<at::Tensor, at::Tensor> largest_directions(const at::Tensor& centred, int64_t k) {
  const int64_t n = centred.size(0), d = centred.size(1);
  if (d <= n) {
    const auto [values, vectors] = at::linalg_eigh(at::mm(centred.t(), centred));
    return {vectors.slice(1, d - k).flip(1).t().contiguous(), values.slice(0, d - k).flip(0)};
  }
  const auto [values, vectors] = at::linalg_eigh(at::mm(centred, centred.t()));
  const at::Tensor rows = at::mm(vectors.slice(1, n - k).flip(1).t(), centred);
  return {unit_rows(rows), values.slice(0, n - k).flip(0)};
}

}  // namespace

Pca principal_components(const at::Tensor& x, int64_t k) {
  require(x.dim() == 2 && x.size(0) >= 2, "expected at least two points as rows of a matrix");
  const int64_t n = x.size(0), most = std::min(n, x.size(1));
  require(k >= 1 && k <= most, "expected 1 to {} components of {} x {} values, found {}", most, n,
          x.size(1), k);
  const at::Tensor rows = x.to(at::kCPU, at::kDouble);
  require(at::isfinite(rows).all().item<bool>(), "points must be finite; some are NaN or infinite");
  Pca pca;
  pca.mean = rows.mean(0);
  const at::Tensor centred = rows - pca.mean;
  auto [components, squares] = largest_directions(centred, k);
  const at::Tensor largest = components.gather(1, components.abs().argmax(1, true));
  pca.components =
      components * at::where(largest < 0, -at::ones_like(largest), at::ones_like(largest));
  pca.variance = squares.clamp_min(0) / static_cast<double>(n - 1);
  const at::Tensor total = centred.square().sum() / static_cast<double>(n - 1);
  pca.variance_share = pca.variance / total;
  pca.projected = at::mm(centred, pca.components.t());
  return pca;
}

}  // namespace weir
