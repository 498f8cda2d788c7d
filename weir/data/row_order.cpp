#include "weir/data/row_order.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir::data {

RowOrder::RowOrder(int64_t n_rows, const ShuffleOptions& options)
    : n_rows_(n_rows), options_(options) {
  require(n_rows >= 1, "shuffling: expected at least one row");
  require(options.block_rows >= 1 && options.window_rows >= 1 && options.n_epochs >= 0,
          "shuffling: expected blocks and windows of at least 1 row and 0 or more epochs, got {}, "
          "{} and {}",
          options.block_rows, options.window_rows, options.n_epochs);
  // What fits into one window needs no blocks.
  if (n_rows <= options_.window_rows) options_.block_rows = 1;
  n_blocks_ = n_rows / options_.block_rows;
  const int64_t per_window = std::max<int64_t>(1, options_.window_rows / options_.block_rows);
  window_ = std::min(per_window, std::max<int64_t>(1, n_blocks_)) * options_.block_rows;
}

int64_t RowOrder::n_places() const noexcept {
  return options_.n_epochs == 0 ? std::numeric_limits<int64_t>::max() : options_.n_epochs * n_rows_;
}

int64_t RowOrder::at(int64_t place) {
  const int64_t epoch = place / n_rows_, index = place % n_rows_;
  if (!options_.shuffle) return index;
  const int64_t number = index / window_, begin = number * window_;
  if (epoch != epoch_ || number != window_number_) {
    const auto salt = static_cast<uint64_t>(number);
    const uint64_t seed = Draw(options_.seed ^ Draw(salt).next()).next();
    inside_.emplace(std::min(window_, n_rows_ - begin), seed, static_cast<uint64_t>(epoch));
    if (n_blocks_ > 0) blocks_.emplace(n_blocks_, options_.seed, static_cast<uint64_t>(epoch));
    epoch_ = epoch;
    window_number_ = number;
  }
  const int64_t mixed = begin + inside_->at(index - begin);
  // Rows behind the last whole block stay where they are, in the last window.
  const int64_t block = mixed / options_.block_rows;
  if (block >= n_blocks_) return mixed;
  return blocks_->at(block) * options_.block_rows + mixed % options_.block_rows;
}

at::Tensor RowOrder::rows(int64_t first, int64_t n) {
  at::Tensor rows = at::empty({n}, at::kLong);
  auto* const out = rows.data_ptr<int64_t>();
  for (int64_t i = 0; i < n; ++i) out[i] = at(first + i);
  return rows;
}

}  // namespace weir::data
