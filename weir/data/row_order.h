#pragma once

#include <cstdint>
#include <optional>

#include <ATen/core/Tensor.h>

#include "weir/data/permutation.h"

namespace weir::data {

/// In which order rows that lie one after the other are read.
struct ShuffleOptions {
  bool shuffle = true;  ///< False: as they lie, every epoch.
  uint64_t seed = 0;
  /// Rows that follow each other are read together (a disk reads them at once) ...
  int64_t block_rows = 256;
  /// ... and as many blocks as fit into these rows, from anywhere, are mixed row by row. From
  /// the number of rows on, the whole order is one random permutation.
  int64_t window_rows = int64_t{1} << 18;
  int64_t n_epochs = 0;  ///< 0: without end.
};

/// Epoch after epoch, each of n rows once, in an order of its own for each (seed, epoch). Blocks
/// of rows are permuted; windows of permuted blocks are permuted row by row. Computed, not stored:
/// any place at once, O(1) memory (permutation.h).
class RowOrder {
 public:
  /// kInvalidArgument for no rows, or blocks or windows below 1.
  RowOrder(int64_t n_rows, const ShuffleOptions& options);

  int64_t n_rows() const noexcept { return n_rows_; }
  /// Places there are in all; INT64_MAX without end.
  int64_t n_places() const noexcept;
  /// The rows at places first .. first + n - 1, int64 [n].
  at::Tensor rows(int64_t first, int64_t n);

 private:
  int64_t at(int64_t place);

  int64_t n_rows_;
  ShuffleOptions options_;
  int64_t n_blocks_, window_;  ///< Whole blocks; rows of a window, a multiple of a block's.
  int64_t epoch_ = -1, window_number_ = -1;
  std::optional<Permutation> blocks_, inside_;  ///< Of epoch_ and of window_number_.
};

}  // namespace weir::data
