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

struct Shape {
  int64_t n;      ///< Tokens of the target.
  int64_t n_all;  ///< Logits of a row.
  double cap;     ///< Soft cap of the logits; 0: none.
  double share;   ///< 1 / rows in all
  bool gradient = false;
};

/// One row: its logits z become d mean / d (raw logits) if a gradient is wanted; `room` [n] is
/// scratch.
template <typename Scalar>
void make_row(const Shape& of, const TargetBatch& batch, int64_t row, int64_t token, Scalar* z,
              Scalar* room, TargetLoss* loss) {
  const double max = largest_capped(z, of.n, of.cap);
  const double expected = batch.expected(row, z);
  const double sum = vocab::exponential_sums(z, of.n, max, of.gradient ? room : nullptr).sum;
  const double log_sum = max + std::log(sum);
  loss->cross_entropy.data_ptr<double>()[row] = log_sum - expected;
  loss->entropy.data_ptr<double>()[row] = batch.entropy(row);
  if (loss->log_p.defined() && token >= 0) {
    double all = log_sum;
    if (of.n_all > of.n) {
      const double more_max = largest_capped(z + of.n, of.n_all - of.n, of.cap);
      const double more = vocab::exponential_sums(z + of.n, of.n_all - of.n, more_max, nullptr).sum;
      const double most = std::max(log_sum, more_max);
      all = most + std::log(std::exp(log_sum - most) + more * std::exp(more_max - most));
    }
    loss->log_p.data_ptr<double>()[row] = static_cast<double>(z[token]) - all;
    loss->log_q.data_ptr<double>()[row] = token < of.n ? std::log(batch.probability(row, token))
                                                       : -std::numeric_limits<double>::infinity();
  }
  if (!of.gradient) return;
  const auto factor = static_cast<Scalar>(of.share / sum);
  for (int64_t v = 0; v < of.n; ++v) room[v] *= factor;
  batch.subtract(row, of.share, room);
  if (of.cap > 0) {
    const auto inverse = static_cast<Scalar>(1 / of.cap);
    for (int64_t v = 0; v < of.n; ++v) room[v] *= 1 - (z[v] * inverse) * (z[v] * inverse);
  }
  std::copy(room, room + of.n, z);
}

template <typename Scalar>
void make_rows(const Shape& of, const TargetBatch& batch, int64_t first, const at::Tensor& z,
               const at::Tensor& tokens, TargetLoss* loss) {
  at::parallel_for(0, z.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<Scalar> room(of.gradient ? static_cast<size_t>(of.n) : 0);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t token = tokens.defined() ? tokens.data_ptr<int64_t>()[first + i] : -1;
      make_row(of, batch, first + i, token, z.data_ptr<Scalar>() + i * of.n_all, room.data(), loss);
    }
  });
}

}  // namespace

TargetLoss target_loss(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                       const TokenTarget& target, TargetBatch& batch,
                       const TargetLossOptions& options) {
  const at::NoGradGuard no_grad;
  const int64_t n = x.size(0), v = target.vocabulary(), n_model = weights.W_U.n_out();
  require(v <= n_model, "targets: distributions over {} tokens, the model has {}", v, n_model);
  const int64_t n_all = options.all_tokens ? n_model : v;
  const at::ScalarType dtype = x.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const at::Tensor rows = x.to(at::kCPU, dtype);
  const at::Tensor W_U = weights.W_U.slice_out(0, n_all).dense(dtype).to(at::kCPU);
  const at::Tensor b_U =
      weights.b_U.defined() ? weights.b_U.slice(0, 0, n_all).to(at::kCPU, dtype) : at::Tensor();
  const int64_t bytes = n_all * static_cast<int64_t>(rows.element_size());
  const int64_t block = std::clamp<int64_t>(kBlockBytes / bytes, 1, n);
  const at::Tensor room = at::empty({block, n_all}, rows.options());
  const Shape shape{v, n_all, config.logit_softcap, 1.0 / static_cast<double>(n), options.gradient};
  TargetLoss loss;
  loss.cross_entropy = at::empty({n}, at::kDouble);
  loss.entropy = at::empty({n}, at::kDouble);
  at::Tensor tokens;
  if (options.tokens.defined()) {
    tokens = options.tokens.cpu().contiguous();
    require(tokens.numel() == n && tokens.max().item<int64_t>() < n_all,
            "targets: expected a token below {} for each of {} rows", n_all, n);
    loss.log_p = at::zeros({n}, at::kDouble);
    loss.log_q = at::zeros({n}, at::kDouble);
  }
  if (options.gradient) loss.gradient = at::empty_like(rows);
  for (int64_t first = 0; first < n; first += block) {
    const int64_t count = std::min(block, n - first);
    at::Tensor z = room.slice(0, 0, count);
    at::mm_out(z, rows.slice(0, first, first + count), W_U);
    if (b_U.defined()) z.add_(b_U);
    batch.prepare(first, count);
    dtype == at::kDouble ? make_rows<double>(shape, batch, first, z, tokens, &loss)
                         : make_rows<float>(shape, batch, first, z, tokens, &loss);
    if (!options.gradient) continue;
    at::Tensor part = loss.gradient.slice(0, first, first + count);
    at::mm_out(part, z.slice(1, 0, v), W_U.slice(1, 0, v).t());
  }
  if (options.gradient) loss.gradient = loss.gradient.to(x.options());
  return loss;
}

}  // namespace weir
