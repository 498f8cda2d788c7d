#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

/// Where the parameters of a loaded model stand in its checkpoint, so that current values find
/// their way back: a projection read out of a fused tensor returns to its rows.
namespace weir {

/// Which entries of a tensor's output axis a part reads: `count` runs of `length`, one every `step`
/// entries, the first at `first`. length 0: all of them.
struct OutputRuns {
  int64_t first = 0, length = 0, step = 0, count = 1;
};

struct Origin {
  std::string parameter;  ///< TransformerLens name: "blocks.0.attn.W_Q".
  std::string tensor;     ///< Name in the checkpoint; an unembedding tied to W_E need not be there.
  std::vector<int64_t> shape;  ///< Of that tensor.
  int64_t axis = 0;            ///< Its axis of outputs: 0; 1 in GPT-2's Conv1D.
  OutputRuns outputs;
  bool transposed = false;  ///< Held [in, out], stored [out, in] (nn.Linear).
  int64_t row = -1;         ///< The row of a table whose rows are tensors each; -1: no such table.

  /// Whether the held tensor can be a view of the stored one.
  bool is_view() const { return outputs.count == 1 && row < 0; }
};

/// The part of `stored` (of the origin's shape) that the parameter is: a view, in which the axis of
/// outputs has become two, [count, length].
at::Tensor region_of(const at::Tensor& stored, const Origin& origin);

/// Copies a held parameter into its part of `stored`, converting the dtype. kInvalidArgument when
/// the sizes differ.
void store(const at::Tensor& held, const Origin& origin, const at::Tensor& stored);

}  // namespace weir
