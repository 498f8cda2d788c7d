#include "weir/nn/norm.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/nn/kernel_use.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr int64_t kWorthAThread = 1 << 15;  // Elements

constexpr int64_t kStretches = 16;  // Sums over rows, each made apart: the same on any threads.

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

at::Tensor composed_rms_norm(const at::Tensor& x, double eps, const at::Tensor& w,
                             const at::Tensor& b, double offset) {
  const at::Tensor wide = widened(x);
  const at::Tensor inverse = wide.square().mean(-1, true).add(eps).rsqrt();
  return norm_gain(wide * inverse, w, b, offset).to(x.scalar_type());
}

// Gradients with respect to x and, unless w is undefined, w.
std::vector<at::Tensor> rms_norm_gradient(const at::Tensor& x, double eps, const at::Tensor& w,
                                          double offset, const at::Tensor& dy) {
  const int64_t n = x.size(-1), n_rows = x.numel() / n;
  const int64_t stretch = (n_rows + kStretches - 1) / kStretches;
  at::Tensor dx = at::empty_like(x);
  at::Tensor dw = w.defined() ? at::zeros({kStretches, n}) : at::Tensor();
  at::parallel_for(0, kStretches, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      kernels::RmsGradientTask task;
      task.n = n;
      task.offset = static_cast<float>(offset);
      task.eps = static_cast<float>(eps);
      if (w.defined()) {
        task.gain = w.data_ptr<float>();
        task.dgain = dw.data_ptr<float>() + part * n;
      }
      for (int64_t row = part * stretch; row < std::min(n_rows, (part + 1) * stretch); ++row) {
        task.x = x.data_ptr<float>() + row * n;
        task.dy = dy.data_ptr<float>() + row * n;
        task.dx = dx.data_ptr<float>() + row * n;
        kernels::best().rms_norm_gradient(task);
      }
    }
  });
  if (!w.defined()) return {dx};
  return {dx, dw.sum(0)};
}

at::Tensor differentiable_rms_norm(const at::Tensor& x, double eps, const at::Tensor& w,
                                   double offset) {
  const auto gain = [](const auto& xw) { return xw.size() > 1 ? xw[1] : at::Tensor(); };
  HandGradient operation;
  operation.forward = [=](const auto& xw) { return rms_norm(xw[0], eps, gain(xw), offset); };
  operation.backward = [=](const auto& xw, const at::Tensor& dy, const auto&) {
    return rms_norm_gradient(xw[0], eps, gain(xw), offset, dy.contiguous());
  };
  operation.composed = [=](const auto& xw) {
    return composed_rms_norm(xw[0], eps, gain(xw), {}, offset);
  };
  std::vector<at::Tensor> inputs = {x};
  if (w.defined()) inputs.push_back(w);
  return with_gradient(inputs, std::move(operation));
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
    const at::Tensor gain = widened(w.defined() && offset != 0 ? w + offset : w);
    return at::layer_norm(widened(x), {x.size(-1)}, gain, widened(b), eps).to(x.scalar_type());
  }
  if (!b.defined() && suits_kernels({x, w})) {
    return needs_graph({x, w}) ? differentiable_rms_norm(x, eps, w, offset)
                               : rms_norm(x, eps, w, offset);
  }
  return composed_rms_norm(x, eps, w, b, offset);
}

}  // namespace weir
