#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace weir {

/// What becomes of tokens whose target surprisal is infinite: the target gives them probability 0.
enum class InfiniteTargets {
  kDrop,     ///< They are left out (the paper's final variant, "dropinf").
  kReplace,  ///< They get the largest finite surprisal of the target (its earlier variant).
};

struct Correlation {
  double pearson = 0, spearman = 0;
  int64_t n = 0;         ///< Pairs that were used.
  int64_t infinite = 0;  ///< Targets that were infinite.
};

/// Of surprisals of the same tokens, float64 of one shape. Infinite ones of the model become its
/// largest finite one in either case. NaN where fewer than two pairs are left or one side does not
/// vary.
Correlation surprisal_correlation(const at::Tensor& model, const at::Tensor& target,
                                  InfiniteTargets infinite = InfiniteTargets::kDrop);

}  // namespace weir
