#include "weir/tensor/vocab_targets.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir::vocab {
namespace {

void check_indices(const at::Tensor& index, int64_t size, const char* what) {
  require(
      index.dim() == 1 && index.scalar_type() == at::kLong && (size < 0 || index.size(0) == size),
      "vocabulary scores: expected {} int64 [{}], got {} {}", what,
      size < 0 ? "n" : std::to_string(size), at::toString(index.scalar_type()),
      c10::str(index.sizes()));
}

// Token ids as columns of the vocabulary that is left.
at::Tensor columns_of(const at::Tensor& tokens, int64_t n_vocabulary, const at::Tensor& ids) {
  if (tokens.numel() == 0) return tokens;
  if (!ids.defined()) {
    const int64_t low = tokens.min().item<int64_t>(), high = tokens.max().item<int64_t>();
    require(low >= 0 && high < n_vocabulary,
            "vocabulary scores: expected targets from 0 to {}, got {}", n_vocabulary - 1,
            low < 0 ? low : high);
    return tokens;
  }
  const at::Tensor place = at::searchsorted(ids, tokens).clamp_max(ids.size(0) - 1);
  const at::Tensor wrong = tokens.masked_select(ids.index_select(0, place) != tokens);
  if (wrong.numel() > 0) {
    fail(ErrorCode::kInvalidArgument,
         "vocabulary scores: target {} is not in the given vocabulary of {} tokens",
         wrong[0].item<int64_t>(), ids.size(0));
  }
  return place;
}

void check_starts(const at::Tensor& start, const at::Tensor& column) {
  const int64_t* s = start.data_ptr<int64_t>();
  const int64_t n = column.size(0), n_rows = start.size(0) - 1;
  bool ok = s[0] == 0 && s[n_rows] == n;
  for (int64_t i = 0; ok && i < n_rows; ++i) ok = s[i] <= s[i + 1];
  require(ok, "vocabulary scores: expected row starts that rise from 0 to {}", n);
  for (int64_t i = 0; i < n_rows; ++i) {
    for (int64_t c = s[i] + 1; c < s[i + 1]; ++c) {
      require(column.data_ptr<int64_t>()[c - 1] < column.data_ptr<int64_t>()[c],
              "vocabulary scores: expected ascending tokens in target row {}", i);
    }
  }
}

}  // namespace

TargetRows::TargetRows(const VocabScoreOptions& options, int64_t n_rows, int64_t n_vocabulary,
                       const at::Tensor& ids, at::ScalarType dtype) {
  const SparseRows& sparse = options.sparse_targets;
  const int given =
      options.targets.defined() + options.dense_targets.defined() + sparse.column.defined();
  require(given <= 1, "vocabulary scores: expected one form of targets, got {}", given);
  if (options.targets.defined()) {
    check_indices(options.targets, n_rows, "targets");
    start_ = at::arange(n_rows + 1, at::kLong);
    column_ = columns_of(options.targets.cpu(), n_vocabulary, ids).contiguous();
    value_ = at::ones({n_rows}, at::kDouble);
  } else if (sparse.column.defined()) {
    check_indices(sparse.start, n_rows + 1, "row starts");
    check_indices(sparse.column, -1, "target tokens");
    require(sparse.value.dim() == 1 && sparse.value.size(0) == sparse.column.size(0),
            "vocabulary scores: expected a weight for each of {} target tokens, got {}",
            sparse.column.size(0), c10::str(sparse.value.sizes()));
    start_ = sparse.start.cpu().contiguous();
    column_ = columns_of(sparse.column.cpu(), n_vocabulary, ids).contiguous();
    value_ = sparse.value.detach().to(at::kCPU, at::kDouble).contiguous();
    check_starts(start_, column_);
  } else if (options.dense_targets.defined()) {
    require(options.dense_targets.dim() == 2 && options.dense_targets.size(0) == n_rows &&
                options.dense_targets.size(1) == n_vocabulary,
            "vocabulary scores: expected target weights [{}, {}], got {}", n_rows, n_vocabulary,
            c10::str(options.dense_targets.sizes()));
    dense_ = options.dense_targets.detach().to(at::kCPU, dtype).contiguous();
  }
  totals_.assign(n_rows, 0);
  for (int64_t i = 0; i < n_rows; ++i) {
    each_listed(i, 0, n_vocabulary, [&](int64_t, double weight) { totals_[i] += weight; });
  }
  if (dense_.defined()) {
    const at::Tensor sums = dense_.sum(1, false, at::kDouble);
    for (int64_t i = 0; i < n_rows; ++i) totals_[i] = sums.data_ptr<double>()[i];
  }
}

at::Tensor TargetRows::table(int64_t n_rows, int64_t n_vocabulary, at::ScalarType dtype) const {
  if (dense_.defined()) return dense_.to(dtype);
  at::Tensor table = at::zeros({n_rows, n_vocabulary}, at::kDouble);
  for (int64_t i = 0; i < n_rows; ++i) {
    double* row = table.data_ptr<double>() + i * n_vocabulary;
    each_listed(i, 0, n_vocabulary, [&](int64_t token, double weight) { row[token] = weight; });
  }
  return table.to(dtype);
}

}  // namespace weir::vocab
