#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/io/tensor_view.h"

namespace weir {

struct Affine;

/// A weight matrix, kept as its file stores it until a kernel needs it.
///
/// Mathematically W [in, out], applied from the right: y = x W. It is one of
///  - dense: an at::Tensor [in, out] with any strides (float32, bfloat16, float16, float64), often
///    the transposed view of a checkpoint's [out, in] rows;
///  - blocks: GGUF-quantised rows [out, in] on the mapped file.
/// Copying copies handles. Const methods are safe from several threads.
class Matrix {
 public:
  Matrix() = default;
  /// Dense; `weight` is [in, out].
  explicit Matrix(at::Tensor weight);
  /// From stored rows [out, in]: dense types stay views of the file, block types stay blocks.
  static Matrix from_rows(const io::TensorView& rows);

  bool defined() const { return dense_.defined() || blocks_.data != nullptr; }
  bool is_quantised() const { return blocks_.data != nullptr; }
  /// True when both are handles of the same stored bytes (a tied embedding).
  bool is_same(const Matrix& other) const;
  int64_t n_in() const;
  int64_t n_out() const;
  /// "F32", "BF16", "Q4_1", ...
  std::string dtype_name() const;
  /// Bytes it occupies as held now.
  int64_t n_bytes() const;

  /// W [in, out] in `dtype`: a view when it is already held so, else a new tensor. Gradients flow
  /// to a dense matrix that requires them.
  at::Tensor dense(at::ScalarType dtype = at::kFloat) const;
  /// The dense tensor itself (undefined for blocks): what an optimiser updates.
  const at::Tensor& storage() const { return dense_; }
  /// The first byte of what is held.
  const void* data() const { return is_quantised() ? blocks_.data : dense_.data_ptr(); }

  /// x [..., in] -> x W + bias [..., out], in x's dtype. `bias` [out] may be undefined. Half types
  /// on the CPU are summed in float32 and rounded once (tensor/half_precision.h). Without a graph
  /// to build, a few rows of x multiply the stored form directly and more of them its tiles,
  /// converted one by one: no dense copy of a quantised or half-precision matrix is ever made.
  at::Tensor apply(const at::Tensor& x, const at::Tensor& bias = {}) const;
  /// Rows of W^T for a lookup table: ids [...] -> [..., in]. (W_E is held as the transpose of W_U,
  /// so that tied tables are one object.) kInvalidArgument for ids outside the table.
  at::Tensor lookup(const at::Tensor& ids, at::ScalarType dtype) const;

  /// The matrix with only outputs [first, first + count).
  Matrix slice_out(int64_t first, int64_t count) const;
  /// The matrix with its outputs in the order `index` (int64 [n]); block types stay blocks.
  Matrix select_out(const at::Tensor& index) const;
  Matrix to(at::Device device, at::ScalarType dtype) const;

 private:
  friend std::vector<at::Tensor> apply_together(const at::Tensor& x,
                                                const std::vector<Affine>& maps);
  struct FewRows;
  bool multiplies_as_stored(const at::Tensor& x, const at::Tensor& bias) const;
  at::Tensor apply_tiled(const at::Tensor& x) const;
  at::Tensor widened_tile(int64_t first, int64_t count, const at::Tensor& scratch) const;

  at::Tensor dense_;
  io::TensorView blocks_;
};

/// x W + bias, as handles.
struct Affine {
  const Matrix& matrix;
  const at::Tensor& bias;  ///< [out] or undefined
};

/// matrix.apply(x, bias) for maps that read the same x. Few rows of x are multiplied with all of
/// them in one parallel region, so that the threads meet once.
std::vector<at::Tensor> apply_together(const at::Tensor& x, const std::vector<Affine>& maps);

}  // namespace weir
