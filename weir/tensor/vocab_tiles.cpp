#include "weir/tensor/vocab_tiles.h"

#include <ATen/ATen.h>

#include "weir/tensor/kernels/kernels.h"

namespace weir::vocab {

int64_t tile_width(int64_t rows) {
  return std::clamp<int64_t>(kTileLogits / std::max<int64_t>(rows, 1), 64, kWidestTile);
}

Sums exponential_sums(const float* z, int64_t n, double max, float* exponentials) {
  const auto sums = kernels::best().exponential_sums(z, n, static_cast<float>(max), exponentials);
  return {sums.sum, sums.weighted};
}

Sums exponential_sums(const double* z, int64_t n, double max, double* exponentials) {
  Sums sums;
  for (int64_t i = 0; i < n; ++i) {
    const double below = z[i] - max, e = std::exp(below);
    sums.sum += e;
    if (e > 0) sums.weighted += e * below;
    if (exponentials != nullptr) exponentials[i] = e;
  }
  return sums;
}

Tiles::Tiles(const Matrix& W_U, const at::Tensor& b_U, double softcap, at::ScalarType dtype)
    : W_U_(W_U),
      bias_(b_U.defined() ? b_U.to(at::kCPU, dtype).contiguous() : b_U),
      softcap_(softcap),
      dtype_(dtype) {}

void Tiles::set(int64_t first, int64_t count, bool for_many_rows) {
  first_ = first;
  part_ = W_U_.slice_out(first, count);
  dense_ = for_many_rows ? part_.dense(dtype_) : at::Tensor();
}

void Tiles::multiply(const at::Tensor& x, at::Tensor out) const {
  if (!dense_.defined()) {
    out.copy_(part_.apply(x));
  } else if (dense_.device().is_cpu()) {
    at::mm_out(out, x, dense_);
  } else {
    out.copy_(at::mm(x, dense_));
  }
}

float Tiles::finish(float* z) const {
  const float* bias = bias_.defined() ? bias_.data_ptr<float>() + first_ : nullptr;
  return kernels::best().finish_logits(z, width(), bias, static_cast<float>(softcap_));
}

double Tiles::finish(double* z) const {
  const double* bias = bias_.defined() ? bias_.data_ptr<double>() + first_ : nullptr;
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < width(); ++i) {
    if (bias != nullptr) z[i] += bias[i];
    if (softcap_ > 0) z[i] = softcap_ * std::tanh(z[i] / softcap_);
    largest = std::max(largest, z[i]);
  }
  return largest;
}

}  // namespace weir::vocab
