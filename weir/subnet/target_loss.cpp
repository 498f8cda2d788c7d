#include "weir/subnet/target_loss.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/tensor/kernels/kernels.h"
#include "weir/tensor/vocab_tiles.h"

namespace weir {
namespace {

constexpr int64_t kBlockBytes = int64_t{32} << 20;

float largest_capped(float* z, int64_t n, double cap) {
  return kernels::best().finish_logits(z, n, nullptr, static_cast<float>(cap));
}
double largest_capped(double* z, int64_t n, double cap) {
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t i = 0; i < n; ++i) {
    if (cap > 0) z[i] = cap * std::tanh(z[i] / cap);
    largest = std::max(largest, z[i]);
  }
  return largest;
}

/// What one row's logits z become: with a gradient, d mean / d (raw logits); `room` [V] is scratch.
template <typename Scalar>
struct Row {
  const TargetBatch& batch;
  int64_t n;
  double cap, share;  // share: 1 / rows in all
  bool gradient;

  double cross_entropy(int64_t row, Scalar* z, Scalar* room) const {
    const double max = largest_capped(z, n, cap);
    const double expected = batch.expected(row, z);
    const double sum = vocab::exponential_sums(z, n, max, gradient ? room : nullptr).sum;
    const double log_sum = max + std::log(sum);
    if (gradient) {
      const auto factor = static_cast<Scalar>(share / sum);
      for (int64_t v = 0; v < n; ++v) room[v] *= factor;
      batch.subtract(row, share, room);
      if (cap > 0) {
        const auto inverse = static_cast<Scalar>(1 / cap);
        for (int64_t v = 0; v < n; ++v) room[v] *= 1 - (z[v] * inverse) * (z[v] * inverse);
      }
      std::copy(room, room + n, z);
    }
    return log_sum - expected;
  }
};

template <typename Scalar>
void each_row(const Row<Scalar>& of, int64_t first, const at::Tensor& z, TargetLoss* loss) {
  at::parallel_for(0, z.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<Scalar> room(of.gradient ? static_cast<size_t>(of.n) : 0);
    for (int64_t i = begin; i < end; ++i) {
      Scalar* row = z.data_ptr<Scalar>() + i * of.n;
      loss->cross_entropy.data_ptr<double>()[first + i] =
          of.cross_entropy(first + i, row, room.data());
      loss->entropy.data_ptr<double>()[first + i] = of.batch.entropy(first + i);
    }
  });
}

}  // namespace

TargetLoss target_loss(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                       const TokenTarget& target, TargetBatch& batch, bool gradient) {
  const at::NoGradGuard no_grad;
  const int64_t n = x.size(0), v = target.vocabulary();
  require(v <= weights.W_U.n_out(), "targets: distributions over {} tokens, the model has {}", v,
          weights.W_U.n_out());
  const at::ScalarType dtype = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor rows = x.to(at::kCPU, dtype);
  const at::Tensor W_U = weights.W_U.slice_out(0, v).dense(dtype).to(at::kCPU);
  const at::Tensor b_U =
      weights.b_U.defined() ? weights.b_U.slice(0, 0, v).to(at::kCPU, dtype) : at::Tensor();
  const auto bytes = v * static_cast<int64_t>(rows.element_size());
  const int64_t block = std::clamp<int64_t>(kBlockBytes / bytes, 1, n);
  const at::Tensor room = at::empty({block, v}, rows.options());
  TargetLoss loss;
  loss.cross_entropy = at::empty({n}, at::kDouble);
  loss.entropy = at::empty({n}, at::kDouble);
  if (gradient) loss.gradient = at::empty_like(rows);
  for (int64_t first = 0; first < n; first += block) {
    const int64_t count = std::min(block, n - first);
    at::Tensor z = room.slice(0, 0, count);
    at::mm_out(z, rows.slice(0, first, first + count), W_U);
    if (b_U.defined()) z.add_(b_U);
    batch.prepare(first, count);
    const double cap = config.logit_softcap, share = 1.0 / static_cast<double>(n);
    if (dtype == at::kDouble) {
      each_row(Row<double>{batch, v, cap, share, gradient}, first, z, &loss);
    } else {
      each_row(Row<float>{batch, v, cap, share, gradient}, first, z, &loss);
    }
    if (!gradient) continue;
    at::Tensor part = loss.gradient.slice(0, first, first + count);
    at::mm_out(part, z, W_U.t());
  }
  if (gradient) loss.gradient = loss.gradient.to(x.options());
  return loss;
}

}  // namespace weir
