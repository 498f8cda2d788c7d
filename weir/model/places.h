#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/model/weights.h"

/// Where a Weights holds each parameter, and how that looks under its TransformerLens name. Behind
/// `parameters` (weights.h), which is what users want.
namespace weir {

enum class Layout {
  kPlain,           ///< As held.
  kFlat,            ///< [heads, K] held as [heads K]: b_Q, b_K, b_V
  kTable,           ///< [out, in] held as [in, out]: W_E
  kHeadsOfOutputs,  ///< [heads, in, K] held as [in, heads K]: W_Q, W_K, W_V
  kHeadsOfInputs,   ///< [heads, K, out] held as [heads K, out]: W_O
};

/// One of `matrix` and `tensor` is set; they point into the Weights.
struct Place {
  std::string name;
  std::vector<int64_t> shape;  ///< Under its TransformerLens name.
  Layout layout = Layout::kPlain;
  Matrix* matrix = nullptr;
  at::Tensor* tensor = nullptr;
  Matrix* partner =
      nullptr;  ///< W_U for W_E and the other way round: the other use of a tied table.

  bool is_held() const { return matrix != nullptr ? matrix->defined() : tensor->defined(); }
  bool is_tied() const { return partner != nullptr && matrix->is_same(*partner); }
  /// The tensor as held, in `dtype`; block types are dequantised.
  at::Tensor held(at::ScalarType dtype) const;
};

/// All that the config allows, held or not, in forward order.
std::vector<Place> places_of(Weights& weights, const ModelConfig& config);

at::Tensor read(const Place& place, at::ScalarType dtype);
/// Replaces the handle, and the other one of a tied table.
void write(const Place& place, const at::Tensor& value);
/// Replaces the handle by one in the held layout.
void hold(const Place& place, const at::Tensor& held);

}  // namespace weir
