#include "weir/subnet/ngram.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"

namespace weir {
namespace {

double count_at(const NgramLevel& level, int64_t i) {
  return level.count.scalar_type() == at::kInt ? level.count.data_ptr<int32_t>()[i]
                                               : level.count.data_ptr<double>()[i];
}

at::Tensor dense_unigrams(const NgramLevel& level, int64_t vocabulary) {
  if (level.n_entries() == 0) return {};
  const at::Tensor all = at::zeros({vocabulary}, at::kDouble);
  return all.index_put({level.id.to(at::kLong)},
                       level.count.to(at::kDouble) / level.total[0].item<double>());
}

NgramLevel without_rare(const NgramLevel& level, int64_t least) {
  require(level.count.scalar_type() == at::kInt,
          "n-grams: a file of probabilities has no counts to prune by");
  const at::Tensor keep = level.count >= least;
  const at::Tensor sizes = level.start.slice(0, 1) - level.start.slice(0, 0, -1);
  const at::Tensor row = at::repeat_interleave(at::arange(level.n_contexts(), at::kLong), sizes);
  const at::Tensor kept = at::bincount(row.masked_select(keep), {}, level.n_contexts());
  const at::Tensor left = kept > 0;
  NgramLevel result;
  result.order = level.order;
  result.context = level.context.masked_select(left);
  result.id = level.id.masked_select(keep);
  result.count = level.count.masked_select(keep);
  result.start = at::cat({at::zeros({1}, at::kLong), kept.masked_select(left).cumsum(0)});
  const at::Tensor sums = at::zeros({level.n_contexts()}, at::kDouble)
                              .index_add(0, row.masked_select(keep), result.count.to(at::kDouble));
  result.total = sums.masked_select(left);
  return result;
}

at::Tensor checked_tokens(const at::Tensor& tokens, int64_t vocabulary) {
  require(tokens.dim() == 2 && tokens.scalar_type() == at::kLong,
          "n-grams: expected int64 tokens [rows, positions], got {}", c10::str(tokens.sizes()));
  if (tokens.numel() > 0) {
    const int64_t low = tokens.min().item<int64_t>(), high = tokens.max().item<int64_t>();
    require(low >= 0 && high < vocabulary,
            "n-grams: token id {} is outside the {} tokens that were counted", low < 0 ? low : high,
            vocabulary);
  }
  return tokens.cpu().contiguous();
}

}  // namespace

int64_t NgramLevel::find(int64_t key) const {
  const auto* begin = context.data_ptr<int64_t>();
  const auto* end = begin + context.size(0);
  const auto* found = std::lower_bound(begin, end, key);
  return found != end && *found == key ? found - begin : -1;
}

NgramModel::NgramModel(int64_t vocabulary, std::vector<NgramLevel> levels,
                       const Smoothing& smoothing)
    : vocabulary_(vocabulary), levels_(std::move(levels)), smoothing_(smoothing) {
  require(vocabulary > 0 && !levels_.empty(), "n-grams: expected a vocabulary and an order");
  require(smoothing.add_k >= 0, "n-grams: expected add-k of 0 or more, got {}", smoothing.add_k);
  require(smoothing.add_k == 0 || levels_.back().count.scalar_type() == at::kInt,
          "n-grams: a file of probabilities has no counts to smooth");
  unigram_ = dense_unigrams(levels_.front(), vocabulary_);
}

NgramModel NgramModel::shortened(int64_t order) const {
  require(order >= 1 && order <= this->order(), "n-grams: expected an order from 1 to {}, got {}",
          this->order(), order);
  return {vocabulary_, {levels_.begin(), levels_.begin() + order}, smoothing_};
}

NgramModel NgramModel::pruned(int64_t least) const {
  std::vector<NgramLevel> levels;
  for (const NgramLevel& level : levels_) levels.push_back(without_rare(level, least));
  return {vocabulary_, std::move(levels), smoothing_};
}

NgramModel::Row NgramModel::row_of(const int64_t* context) const {
  const int64_t n = order() - 1;
  for (int64_t length = n; length >= 0; --length) {
    const NgramLevel& level = levels_[static_cast<size_t>(length)];
    int64_t key = 0;
    for (int64_t i = n - length; i < n; ++i) key = key * (vocabulary_ + 1) + context[i];
    const int64_t index = level.find(key);
    if (index >= 0) return {&level, index};
    if (smoothing_.add_k > 0) break;
  }
  return {};
}

double NgramModel::probability(const Row& row, int64_t token) const {
  const auto v = static_cast<double>(vocabulary_);
  if (row.level == nullptr) return 1 / v;
  const auto* start = row.level->start.data_ptr<int64_t>();
  const auto* ids = row.level->id.data_ptr<int32_t>();
  const int32_t* end = ids + start[row.index + 1];
  const int32_t* found = std::lower_bound(ids + start[row.index], end, token);
  const bool is_there = found != end && *found == token;
  const double count = is_there ? count_at(*row.level, found - ids) : 0;
  const double k = smoothing_.add_k;
  return (count + k) / (row.level->total.data_ptr<double>()[row.index] + k * v);
}

namespace {

/// function(position in the rectangle, the n tokens before and at it) for all positions. `offset`
/// 0: the context ends before the token; 1: with it.
template <typename Function>
void each_context(const at::Tensor& tokens, int64_t n, int64_t start_id, int64_t offset,
                  const Function& function) {
  const auto rows = tokens.accessor<int64_t, 2>();
  at::parallel_for(0, tokens.size(0), 1, [&](int64_t begin, int64_t end) {
    std::vector<int64_t> context(static_cast<size_t>(n) + 1);
    for (int64_t b = begin; b < end; ++b) {
      for (int64_t t = 0; t < tokens.size(1); ++t) {
        for (int64_t i = 0; i < n; ++i) {
          const int64_t at = t + offset - n + i;
          context[static_cast<size_t>(i)] = at < 0 ? start_id : rows[b][at];
        }
        function(b * tokens.size(1) + t, context.data());
      }
    }
  });
}

}  // namespace

at::Tensor NgramModel::probabilities(const at::Tensor& tokens) const {
  const at::Tensor ids = checked_tokens(tokens, vocabulary_);
  const at::Tensor found = at::empty(ids.sizes(), at::kDouble);
  auto* out = found.data_ptr<double>();
  const auto* token = ids.data_ptr<int64_t>();
  each_context(ids, order() - 1, vocabulary_, 0, [&](int64_t i, const int64_t* context) {
    out[i] = probability(row_of(context), token[i]);
  });
  return found;
}

TargetRows NgramModel::next_token(const at::Tensor& tokens) const {
  const at::Tensor ids = checked_tokens(tokens, vocabulary_);
  const int64_t n = ids.numel();
  std::vector<Row> rows(static_cast<size_t>(n));
  each_context(ids, order() - 1, vocabulary_, 1,
               [&](int64_t i, const int64_t* context) { rows[i] = row_of(context); });
  TargetRows target;
  target.shared = unigram_;
  target.shared_weight = at::zeros({n}, at::kDouble);
  target.uniform = at::zeros({n}, at::kDouble);
  SparseRows& listed = target.listed;
  listed.start = at::zeros({n + 1}, at::kLong);
  auto* start = listed.start.data_ptr<int64_t>();
  const double k = smoothing_.add_k, kv = k * static_cast<double>(vocabulary_);
  for (int64_t i = 0; i < n; ++i) {
    const Row& row = rows[i];
    const bool is_listed = row.level != nullptr && (row.level->order > 1 || order() == 1);
    const double total = is_listed ? row.level->total.data_ptr<double>()[row.index] : 0;
    if (row.level == nullptr) target.uniform.data_ptr<double>()[i] = 1;
    if (row.level != nullptr && !is_listed) target.shared_weight.data_ptr<double>()[i] = 1;
    if (is_listed) target.uniform.data_ptr<double>()[i] = kv / (total + kv);
    const auto* first = is_listed ? row.level->start.data_ptr<int64_t>() + row.index : nullptr;
    start[i + 1] = start[i] + (is_listed ? first[1] - first[0] : 0);
  }
  listed.column = at::empty({start[n]}, at::kLong);
  listed.value = at::empty({start[n]}, at::kDouble);
  auto* column = listed.column.data_ptr<int64_t>();
  auto* value = listed.value.data_ptr<double>();
  at::parallel_for(0, n, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (start[i + 1] == start[i]) continue;
      const NgramLevel& level = *rows[i].level;
      const int64_t first = level.start.data_ptr<int64_t>()[rows[i].index];
      const double total = level.total.data_ptr<double>()[rows[i].index] + kv;
      for (int64_t e = start[i]; e < start[i + 1]; ++e) {
        column[e] = level.id.data_ptr<int32_t>()[first + e - start[i]];
        value[e] = count_at(level, first + e - start[i]) / total;
      }
    }
  });
  return target;
}

at::Tensor NgramModel::dense(const TargetRows& rows, int64_t vocabulary) {
  const at::Tensor sizes = rows.listed.start.slice(0, 1) - rows.listed.start.slice(0, 0, -1);
  const at::Tensor row = at::repeat_interleave(at::arange(sizes.size(0), at::kLong), sizes);
  at::Tensor all = at::zeros({sizes.size(0), vocabulary}, at::kDouble);
  all.index_put_({row, rows.listed.column}, rows.listed.value);
  all.add_((rows.uniform / static_cast<double>(vocabulary)).unsqueeze(1));
  if (rows.shared.defined()) all.add_(rows.shared_weight.unsqueeze(1) * rows.shared);
  return all;
}

}  // namespace weir
