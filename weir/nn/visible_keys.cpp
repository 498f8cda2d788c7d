#include "weir/nn/visible_keys.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace weir {
namespace {

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

}  // namespace

std::optional<VisibleKeys> visible_keys(const AttentionMask& mask, int64_t n_rows,
                                        int64_t n_queries) {
  const auto real = first_real_keys(mask.real_keys, n_rows);
  if (!real) return std::nullopt;
  VisibleKeys keys{mask.first_query, n_queries, {}};
  keys.firsts.reserve(n_rows * n_queries);
  const at::Tensor segments =
      mask.segments.defined() ? mask.segments.to(at::kCPU).contiguous() : at::Tensor();
  for (int64_t row = 0; row < n_rows; ++row) {
    const int64_t* segment =
        segments.defined() ? segments.data_ptr<int64_t>() + row * n_queries : nullptr;
    int64_t start = (*real)[row];
    for (int64_t query = 0; query < n_queries; ++query) {
      const int64_t position = mask.first_query + query;
      if (segment != nullptr && query > 0 && segment[query] != segment[query - 1]) {
        start = std::max(start, position);
      }
      const int64_t oldest = mask.window > 0 ? position - mask.window + 1 : 0;
      keys.firsts.push_back(std::max(start, oldest));
    }
  }
  return keys;
}

}  // namespace weir
