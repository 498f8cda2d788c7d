#include "weir/sae/eval/latent_geometry.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir {

at::Tensor max_cosine(const at::Tensor& rows) {
  require(rows.dim() == 2 && rows.size(0) > 1, "max_cosine: expected at least two rows [F, D]");
  const at::Tensor x = rows.detach().to(at::kFloat);
  const at::Tensor unit = x / x.norm(2, /*dim=*/1, /*keepdim=*/true);
  const int64_t n = unit.size(0), block = std::max<int64_t>(1, (int64_t{1} << 22) / n);
  at::Tensor largest = at::empty({n}, unit.options());
  for (int64_t i = 0; i < n; i += block) {
    throw_if_interrupted();
    const int64_t end = std::min(n, i + block);
    at::Tensor cosine = unit.slice(0, i, end).matmul(unit.t());
    cosine.diagonal(i).fill_(-std::numeric_limits<float>::infinity());
    largest.slice(0, i, end).copy_(std::get<0>(cosine.max(1)));
  }
  return largest;
}

at::Tensor row_cosines(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor x = a.detach().to(at::kDouble), y = b.detach().to(at::kDouble);
  return (x * y).sum(-1) / (x.norm(2, -1) * y.norm(2, -1));
}

}  // namespace weir
