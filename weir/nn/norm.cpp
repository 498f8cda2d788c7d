#include "weir/nn/norm.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/nn/kernel_use.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr int64_t kWorthAThread = 1 << 15;  // Elements

// Squares of bfloat16 lose digits and those of float16 overflow: half types are summed in float32,
// as the reference does.
at::Tensor widened(const at::Tensor& x) {
  return x.scalar_type() == at::kBFloat16 || x.scalar_type() == at::kHalf ? x.to(at::kFloat) : x;
}

at::Tensor rms_norm(const at::Tensor& x, double eps, const at::Tensor& w, double offset) {
  at::Tensor out = at::empty_like(x);
  const int64_t n = x.size(-1);
  const float* gain = w.defined() ? w.data_ptr<float>() : nullptr;
  at::parallel_for(0, x.numel() / n, std::max<int64_t>(1, kWorthAThread / n),
                   [&](int64_t begin, int64_t end) {
                     for (int64_t row = begin; row < end; ++row) {
                       kernels::best().rms_norm(x.data_ptr<float>() + row * n, n, gain,
                                                static_cast<float>(offset), static_cast<float>(eps),
                                                out.data_ptr<float>() + row * n);
                     }
                   });
  return out;
}

}  // namespace

at::Tensor norm_scale(const at::Tensor& x, NormKind kind, double eps) {
  const at::Tensor wide = widened(x);
  const at::Tensor centred = kind == NormKind::kLayerNorm ? wide - wide.mean(-1, true) : wide;
  return centred.square().mean(-1, true).add(eps).sqrt().to(x.scalar_type());
}

at::Tensor norm_divide(const at::Tensor& x, const at::Tensor& scale, NormKind kind) {
  const at::Tensor wide = widened(x);
  const at::Tensor centred = kind == NormKind::kLayerNorm ? wide - wide.mean(-1, true) : wide;
  return (centred / scale).to(x.scalar_type());
}

at::Tensor norm_gain(const at::Tensor& normalized, const at::Tensor& w, const at::Tensor& b,
                     double offset) {
  at::Tensor out = normalized;
  if (w.defined()) out = out * (offset == 0 ? w : w + offset);
  return b.defined() ? out + b : out;
}

at::Tensor norm(const at::Tensor& x, NormKind kind, double eps, const at::Tensor& w,
                const at::Tensor& b, double offset) {
  if (kind == NormKind::kLayerNorm) {
    const at::Tensor gain = w.defined() && offset != 0 ? w + offset : w;
    return at::layer_norm(x, {x.size(-1)}, gain, b, eps);
  }
  if (runs_on_kernels({x, w}) && !b.defined()) return rms_norm(x, eps, w, offset);
  const at::Tensor wide = widened(x);
  const at::Tensor inverse = wide.square().mean(-1, true).add(eps).rsqrt();
  return norm_gain(wide * inverse, w, b, offset).to(x.scalar_type());
}

}  // namespace weir
