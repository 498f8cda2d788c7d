#include <algorithm>
#include <optional>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/nn/attention.h"
#include "weir/nn/kernel_use.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr int64_t kFewQueries = 4;      // Up to here one query at a time beats a GEMM.
constexpr int64_t kQueriesAtOnce = 64;  // Of one GEMM: 64 x 512 scores are 128 KB.
constexpr int64_t kWorthAThread = 1 << 15;

/// The first real key of each row; nothing when a pad stands behind a real key.
std::optional<std::vector<int64_t>> first_real_keys(const at::Tensor& real_keys, int64_t n_rows) {
  std::vector<int64_t> first(n_rows, 0);
  if (!real_keys.defined()) return first;
  const at::Tensor mask = real_keys.contiguous();
  const int64_t n = mask.size(1);
  for (int64_t row = 0; row < n_rows; ++row) {
    const bool* real = mask.data_ptr<bool>() + row * n;
    first[row] = std::find(real, real + n, true) - real;
    if (std::find(real + first[row], real + n, false) != real + n) return std::nullopt;
  }
  return first;
}

/// One attention without maps. Letters as in attention.h.
class DirectAttention {
 public:
  DirectAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                  const ScoreOptions& options, const AttentionMask& mask,
                  std::vector<int64_t> first_real)
      : q_(q),
        k_(k),
        v_(v),
        options_(options),
        mask_(mask),
        first_real_(std::move(first_real)),
        slopes_(options.slopes.defined() ? options.slopes.to(at::kFloat).contiguous()
                                         : at::Tensor()),
        group_(q.size(2) / k.size(2)),
        z_(at::empty_like(q)) {}

  at::Tensor run() {
    const int64_t n_queries = q_.size(1), n_keys = k_.size(1), d_head = q_.size(3);
    if (n_queries <= kFewQueries) {
      const int64_t work = n_queries * group_ * n_keys * d_head;
      at::parallel_for(0, q_.size(0) * k_.size(2), std::max<int64_t>(1, kWorthAThread / work),
                       [&](int64_t begin, int64_t end) {
                         for (int64_t i = begin; i < end; ++i) decode(i);
                       });
      return z_;
    }
    const int64_t n_blocks = (n_queries + kQueriesAtOnce - 1) / kQueriesAtOnce;
    const int64_t n_heads = q_.size(2);
    at::parallel_for(0, q_.size(0) * n_heads * n_blocks, 1, [&](int64_t begin, int64_t end) {
      const at::NoGradGuard no_grad;
      for (int64_t i = begin; i < end; ++i) {
        block(i / (n_heads * n_blocks), i / n_blocks % n_heads, i % n_blocks * kQueriesAtOnce);
      }
    });
    return z_;
  }

 private:
  int64_t position(int64_t query) const { return mask_.first_query + query; }
  int64_t first_key(int64_t row, int64_t query) const {
    const int64_t oldest = mask_.window > 0 ? position(query) - mask_.window + 1 : 0;
    return std::max(first_real_[row], oldest);
  }

  // All queries of one row and key head, one after the other.
  void decode(int64_t row_and_head) const {
    const int64_t row = row_and_head / k_.size(2), key_head = row_and_head % k_.size(2);
    const int64_t d_head = q_.size(3);
    std::vector<float> scores(group_ * k_.size(1));
    kernels::DecodeTask task;
    task.n_queries = group_;
    task.d_head = d_head;
    task.keys = k_.data_ptr<float>() + row * k_.stride(0) + key_head * k_.stride(2);
    task.values = v_.data_ptr<float>() + row * v_.stride(0) + key_head * v_.stride(2);
    task.key_stride = k_.stride(1);
    task.value_stride = v_.stride(1);
    task.scale = static_cast<float>(options_.scale);
    task.softcap = static_cast<float>(options_.softcap);
    if (slopes_.defined()) task.slopes = slopes_.data_ptr<float>() + key_head * group_;
    task.scores = scores.data();
    for (int64_t query = 0; query < q_.size(1); ++query) {
      const int64_t offset = ((row * q_.size(1) + query) * q_.size(2) + key_head * group_) * d_head;
      task.query = q_.data_ptr<float>() + offset;
      task.out = z_.data_ptr<float>() + offset;
      task.first_key = first_key(row, query);
      task.n_keys = position(query) + 1;
      if (task.first_key >= task.n_keys) {
        std::fill(task.out, task.out + group_ * d_head, 0.0F);
      } else {
        kernels::best().decode_attention(task);
      }
    }
  }

  // Queries first .. first + kQueriesAtOnce - 1 of one head, against the keys that any of them
  // sees.
  void block(int64_t row, int64_t head, int64_t first) const {
    const int64_t last = std::min(first + kQueriesAtOnce, q_.size(1));
    const int64_t from = first_key(row, first), to = position(last - 1) + 1;
    const auto part = [&](const at::Tensor& x, int64_t which, int64_t begin, int64_t end) {
      return x.select(0, row).select(1, which).slice(0, begin, end);
    };
    at::Tensor out = part(z_, head, first, last);
    if (from >= to) {
      out.zero_();
      return;
    }
    at::Tensor scores = at::mm(part(q_, head, first, last), part(k_, head / group_, from, to).t());
    for (int64_t query = first; query < last; ++query) {
      kernels::WeightTask task;
      task.n_keys = to - from;
      task.scores = scores.data_ptr<float>() + (query - first) * task.n_keys;
      // A pad before the first real key sees nothing: its row of weights is zero.
      task.end = std::max<int64_t>(position(query) + 1 - from, 0);
      task.first = std::min(std::max<int64_t>(first_key(row, query) - from, 0), task.end);
      task.scale = static_cast<float>(options_.scale);
      task.softcap = static_cast<float>(options_.softcap);
      if (slopes_.defined()) task.slope = slopes_.data_ptr<float>()[head];
      kernels::best().attention_weights(task);
    }
    at::mm_out(out, scores, part(v_, head / group_, from, to));
  }

  const at::Tensor &q_, &k_, &v_;
  const ScoreOptions& options_;
  const AttentionMask& mask_;
  std::vector<int64_t> first_real_;
  at::Tensor slopes_;
  int64_t group_;
  at::Tensor z_;
};

bool is_plain(const at::Tensor& cached) {
  return cached.device().is_cpu() && cached.scalar_type() == at::kFloat && cached.stride(3) == 1 &&
         !(at::GradMode::is_enabled() && cached.requires_grad());
}

}  // namespace

at::Tensor attention_values(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                            const ScoreOptions& options, const AttentionMask& mask) {
  if (runs_on_kernels({q}) && is_plain(k) && is_plain(v)) {
    if (auto first_real = first_real_keys(mask.real_keys, q.size(0))) {
      return DirectAttention(q, k, v, options, mask, std::move(*first_real)).run();
    }
  }
  return attention_mix(attention_pattern(attention_scores(q, k, options, mask)), v);
}

}  // namespace weir
