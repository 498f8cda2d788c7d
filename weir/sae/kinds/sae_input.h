#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

struct Sae;

/// An activation as an encoder reads it, and what a decoder needs to answer in kind.
struct SaeInput {
  at::Tensor x;    ///< [..., n d_in]: flat, scaled, normalised, b_dec subtracted.
  at::Tensor raw;  ///< [..., n d_in]: flat, nothing else done.
  /// [..., 1] or undefined: reconstructions are multiplied by `spread` and get `centre` added.
  at::Tensor spread, centre;
  std::vector<int64_t> shape;  ///< Of the activation.
  at::ScalarType dtype;        ///< Of the activation.
};

/// Flattens heads and sources, takes x to the type of the weights, scales, normalises and
/// subtracts b_dec as the config says, in this order. kInvalidArgument for another width.
SaeInput read_sae_input(const Sae& sae, const at::Tensor& x);

/// The other way for what a decoder says [..., n d_out]: undoes the normalisation, adds W_skip x,
/// restores heads and the type.
at::Tensor restore_sae_output(const Sae& sae, const at::Tensor& decoded, const SaeInput& input);

}  // namespace weir
