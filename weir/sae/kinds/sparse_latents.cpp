#include "weir/sae/kinds/sparse_latents.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"

namespace weir {
namespace {

// Each token reads its own rows once; `d` floats of the sum stay in the cache.
void add_rows(const SparseLatents& latents, const at::Tensor& rows, const at::Tensor& sums) {
  const int64_t k = latents.values.size(1), d = rows.size(1);
  const auto* index = latents.indices.data_ptr<int64_t>();
  const auto* value = latents.values.data_ptr<float>();
  const auto* row = rows.data_ptr<float>();
  auto* sum = sums.data_ptr<float>();
  at::parallel_for(0, latents.values.size(0), 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      float* out = sum + i * d;
      for (int64_t j = i * k; j < (i + 1) * k; ++j) {
        const float v = value[j];
        if (v == 0) continue;
        const float* from = row + index[j] * d;
        for (int64_t c = 0; c < d; ++c) out[c] += v * from[c];
      }
    }
  });
}

}  // namespace

at::Tensor to_dense(const SparseLatents& latents, int64_t d_sae) {
  std::vector<int64_t> shape = latents.values.sizes().vec();
  shape.back() = d_sae;
  return at::zeros(shape, latents.values.options()).scatter(-1, latents.indices, latents.values);
}

SparseLatents to_sparse(const at::Tensor& latents) {
  const at::Tensor fires = latents != 0;
  int64_t most = 1;
  if (latents.numel() > 0) most = std::max<int64_t>(1, fires.sum(-1).max().item<int64_t>());
  // Stable: those that fire come first, in their order.
  const at::Tensor order = std::get<1>(fires.to(at::kByte).sort(/*stable=*/true, -1, true));
  const at::Tensor indices = order.narrow(-1, 0, std::min(most, latents.size(-1))).contiguous();
  return {indices, latents.gather(-1, indices)};
}

at::Tensor weighted_rows(const SparseLatents& latents, const at::Tensor& rows) {
  require(latents.indices.sizes() == latents.values.sizes(),
          "sparse latents need as many indices as values");
  const int64_t k = latents.values.size(-1);
  const at::Tensor values = latents.values.reshape({-1, k});
  const at::Tensor indices = latents.indices.reshape({-1, k});
  std::vector<int64_t> shape = latents.values.sizes().vec();
  shape.back() = rows.size(1);
  if (needs_graph({values, rows}) || rows.scalar_type() != at::kFloat || !rows.is_cpu()) {
    const at::Tensor terms = widened(values).unsqueeze(-1) * widened(rows.index({indices}));
    return terms.sum(1).to(rows.scalar_type()).view(shape);
  }
  if (indices.numel() > 0) {
    require(indices.min().item<int64_t>() >= 0 && indices.max().item<int64_t>() < rows.size(0),
            "an index of a latent lies beyond {}", rows.size(0));
  }
  const at::Tensor sums = at::zeros({values.size(0), rows.size(1)}, rows.options());
  add_rows({indices.contiguous(), values.to(at::kFloat).contiguous()}, rows.contiguous(), sums);
  return sums.view(shape);
}

}  // namespace weir
