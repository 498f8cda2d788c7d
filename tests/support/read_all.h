#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {

/// Tensors of a safetensors file by name.
inline std::map<std::string, at::Tensor> read_all(const std::filesystem::path& path) {
  std::map<std::string, at::Tensor> result;
  for (const io::TensorView& tensor : io::read_safetensors(path).tensors) {
    result[tensor.name] = to_tensor(tensor);
  }
  return result;
}

}  // namespace weir
