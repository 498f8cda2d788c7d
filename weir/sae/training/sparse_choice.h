#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/training/step.h"

namespace weir {

/// Chosen latents of a batch, row after row: entries start[t] .. start[t + 1] - 1 are row t's,
/// ascending by latent.
template <class T>
struct SparseChoice {
  std::vector<int64_t> start;
  std::vector<int32_t> ids;
  std::vector<T> pre;  ///< Pre-activations, as the decoder reads them.

  int64_t n_rows() const { return static_cast<int64_t>(start.size()) - 1; }
  int64_t n() const { return start.empty() ? 0 : start.back(); }
};

/// What choosing reads: pre-activations are made block of rows by block of rows and forgotten.
struct ChoiceInput {
  at::Tensor x;        ///< [B, d], b_dec subtracted where the kind does
  at::Tensor encoder;  ///< [F, d], row by row
  at::Tensor bias;     ///< [F]
  at::Tensor norms;    ///< [F]; latents are ranked by pre * norm. Undefined: by pre.
  /// Latents whose ranked pre-activations are kept [B, n]: who may be dead. May be empty.
  std::vector<int32_t> kept;
};

template <class T>
struct ChoiceResult {
  SparseChoice<T> chosen;
  at::Tensor kept;  ///< [B, kept.size()]
};

enum class ChoiceRule { kRows, kRowsBySize, kBatch, kGroups };

/// k of each row (kGroups: one of each of k groups of latents that lie side by side), or
/// floor(k B) > 0 of the batch.
template <class T>
ChoiceResult<T> choose_latents(const ChoiceInput& input, ChoiceRule rule, double k);

}  // namespace weir
