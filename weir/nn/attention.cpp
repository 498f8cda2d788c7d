#include "weir/nn/attention.h"

#include <cmath>
#include <limits>
#include <vector>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/nn/kernel_use.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

// [B, S, G, K] -> [B, H, S, K] with each key head repeated for its group of query heads.
at::Tensor per_query_head(const at::Tensor& x, int64_t n_heads) {
  const at::Tensor by_head = x.transpose(1, 2);
  const int64_t group = n_heads / x.size(2);
  return group == 1 ? by_head : by_head.repeat_interleave(group, 1);
}

// bool [1 or B, 1, T, S], true where hidden.
at::Tensor hidden_keys(int64_t n_queries, int64_t n_keys, const AttentionMask& mask,
                       const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kLong).device(device);
  const at::Tensor query =
      at::arange(mask.first_query, mask.first_query + n_queries, options).unsqueeze(1);
  const at::Tensor key = at::arange(n_keys, options).unsqueeze(0);
  at::Tensor hidden = key > query;
  if (mask.window > 0) hidden = hidden.logical_or(key <= query - mask.window);
  hidden = hidden.unsqueeze(0).unsqueeze(0);
  if (mask.segments.defined()) {
    const at::Tensor segments = mask.segments.to(device);
    hidden = hidden.logical_or((segments.unsqueeze(2) != segments.unsqueeze(1)).unsqueeze(1));
  }
  if (mask.real_keys.defined()) {
    hidden = hidden.logical_or(mask.real_keys.logical_not().unsqueeze(1).unsqueeze(1));
  }
  return hidden;
}

}  // namespace

at::Tensor attention_scores(const at::Tensor& q, const at::Tensor& k, const ScoreOptions& options,
                            const AttentionMask& mask) {
  if (needs_widening(q)) {
    return attention_scores(widened(q), widened(k), options, mask).to(q.scalar_type());
  }
  const int64_t n_heads = q.size(2);
  at::Tensor scores = at::matmul(q.transpose(1, 2), per_query_head(k, n_heads).transpose(-2, -1));
  scores.mul_(options.scale);
  if (options.slopes.defined()) {
    // Distance in real tokens: a pad on the left does not count, and cancels in the softmax.
    // In float32: bfloat16 counts only to 256.
    const auto integers = at::TensorOptions().dtype(at::kFloat).device(q.device());
    const at::Tensor key = at::arange(k.size(1), integers);
    const at::Tensor query = at::arange(mask.first_query, mask.first_query + q.size(1), integers);
    const at::Tensor distance = key.unsqueeze(0) - query.unsqueeze(1);
    const at::Tensor slopes = options.slopes.to(integers).view({1, n_heads, 1, 1});
    scores += (slopes * distance).to(q.scalar_type());
  }
  if (options.softcap > 0) scores = (scores / options.softcap).tanh().mul(options.softcap);
  return scores.masked_fill_(hidden_keys(q.size(1), k.size(1), mask, q.device()), kMinusInfinity);
}

at::Tensor attention_pattern(const at::Tensor& scores) {
  if (needs_widening(scores)) return attention_pattern(widened(scores)).to(scores.scalar_type());
  if (runs_on_kernels({scores})) {
    at::Tensor pattern = at::empty_like(scores);
    const int64_t n = scores.size(-1);
    at::parallel_for(0, scores.numel() / n, 16, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        kernels::best().softmax(scores.data_ptr<float>() + row * n, n,
                                pattern.data_ptr<float>() + row * n);
      }
    });
    return pattern;
  }
  // Blind rows are filled before the softmax: its gradient over nothing but -inf is not a number.
  const at::Tensor blind = scores.detach().amax(-1, /*keepdim=*/true) == kMinusInfinity;
  return scores.masked_fill(blind, 0).softmax(-1).masked_fill(blind, 0);
}

at::Tensor attention_mix(const at::Tensor& pattern, const at::Tensor& v) {
  return product(pattern, per_query_head(v, pattern.size(1))).transpose(1, 2);
}

at::Tensor alibi_slopes(int64_t n_heads) {
  int64_t power = 1;
  while (2 * power <= n_heads) power *= 2;
  std::vector<float> slopes;
  for (int64_t i = 1; i <= power; ++i) slopes.push_back(std::exp2(-8.0f * i / power));
  for (int64_t i = 0; i < n_heads - power; ++i) {
    slopes.push_back(std::exp2(-8.0f * (2 * i + 1) / (2 * power)));
  }
  return at::tensor(slopes);
}

}  // namespace weir
