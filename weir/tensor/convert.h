#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/io/tensor_view.h"

/// Between stored tensors (io::TensorView) and at::Tensor.
namespace weir {

/// A tensor on the file's own bytes, nothing copied; it must not be written to. Block types and
/// unsigned types that ATen lacks are converted (to float32 and int64) and therefore copied.
at::Tensor to_tensor(const io::TensorView& view);

/// The bytes of a tensor as a view to write to a file. Keeps a contiguous CPU copy alive if one
/// had to be made.
io::TensorView to_view(std::string name, const at::Tensor& tensor);

/// Its values, row by row, as reports take them; whatever its type and device.
std::vector<double> to_doubles(const at::Tensor& tensor);
/// The same of each row of a matrix.
std::vector<std::vector<double>> to_rows(const at::Tensor& matrix);

/// "fp32"/"float32"/"f32", "bf16"/"bfloat16", "fp16"/"float16"/"f16", "fp64"/...; others:
/// kInvalidArgument with the list.
at::ScalarType parse_dtype(std::string_view name);
/// "float32", "bfloat16", ...
std::string dtype_name(at::ScalarType dtype);

/// Reads every tensor of a file by its format: safetensors, npz, torch archives.
io::TensorMap read_tensors(const std::string& path);

}  // namespace weir
