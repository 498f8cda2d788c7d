#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/tensor/vocab_tiles.h"

namespace weir::vocab {

/// The distributions that rows are compared with, carried along tile by tile beside the rows (for
/// the divergences of vocab_stats). A row that several are compared with is computed once.
class References {
 public:
  /// `of`: int64 [N], the row of x that each row is compared with.
  References(const at::Tensor& x, const at::Tensor& of);

  int64_t size() const { return x_.size(0); }
  /// Takes the tile that `tiles` stands at.
  void add(const Tiles& tiles);
  /// Carries on sum of exp(z_ref - max_ref) (z_ref - z) for row i with the tile's logits z.
  double difference(int64_t i, double so_far, const float* z) const;
  const RunningSums& sums_for(int64_t i) const { return sums_[slot_[i]]; }

 private:
  std::vector<int64_t> slot_;  ///< Of each row of x: which reference is its own.
  at::Tensor x_;               ///< [R, D]
  std::vector<RunningSums> sums_;
  std::vector<double> kept_;     ///< By what the last tile's new maximum shrank the sums.
  at::Tensor z_, exponentials_;  ///< [R, tile] of the current tile.
};

}  // namespace weir::vocab
