#include "weir/channels/projection_kernel.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/interrupt.h"

namespace weir {
namespace {

/// An orthonormal basis of the columns of [.., D, K]; columns of directions that are not there are
/// 0.
at::Tensor basis_of(const at::Tensor& columns) {
  const at::Tensor wide = columns.to(at::kDouble);
  const auto [u, s, vh] = at::linalg_svd(wide, /*full_matrices=*/false);
  const double epsilon = columns.scalar_type() == at::kDouble ? 2.3e-16 : 1.2e-7;
  const at::Tensor least =
      s.select(-1, 0).unsqueeze(-1) * static_cast<double>(wide.size(-2)) * epsilon;
  return u * (s > least).to(at::kDouble).unsqueeze(-2);
}

const at::Tensor& reading(const LayerHeads& heads, CompositionType type) {
  return type == CompositionType::kQ   ? heads.W_Q
         : type == CompositionType::kK ? heads.W_K
                                       : heads.W_V;
}

}  // namespace

at::Tensor principal_cosines(const at::Tensor& A, const at::Tensor& B) {
  const at::Tensor overlap = at::matmul(basis_of(A).transpose(-2, -1), basis_of(B));
  return at::linalg_svdvals(overlap).clamp_max(1);
}

at::Tensor projection_kernel(const HeadSource& source, CompositionType type) {
  const at::NoGradGuard no_grad;
  const int64_t n_layers = source.n_layers, n_heads = source.n_heads, k = source.d_head;
  const at::Tensor kernel = at::zeros({n_layers, n_heads, n_layers, n_heads}, at::kDouble);
  std::vector<at::Tensor> writers;  // [H K, D]
  for (int64_t l2 = 0; l2 < n_layers; ++l2) {
    throw_if_interrupted();
    const LayerHeads heads = source.heads(l2);
    const at::Tensor reader =
        basis_of(reading(heads, type)).transpose(0, 1).reshape({source.d_model, -1});
    for (int64_t l1 = 0; l1 < l2; ++l1) {
      const at::Tensor cosines = at::mm(writers[static_cast<size_t>(l1)], reader).square_();
      kernel[l1].select(1, l2).copy_(cosines.view({n_heads, k, n_heads, k}).sum({1, 3}));
    }
    writers.push_back(
        basis_of(heads.W_O.transpose(-2, -1)).transpose(1, 2).reshape({-1, source.d_model}));
  }
  return kernel;
}

double random_projection_kernel(const HeadSource& source) {
  const auto k = static_cast<double>(source.d_head);
  return k * k / static_cast<double>(source.d_model);
}

}  // namespace weir
