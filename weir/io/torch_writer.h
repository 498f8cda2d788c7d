#pragma once

#include <filesystem>
#include <vector>

#include "weir/io/tensor_view.h"

namespace weir::io {

/// Writes an ordered dict of tensors (a `state_dict`) as PyTorch's zip checkpoint, which
/// `torch.load(path, weights_only=True)` and read_torch_archive read. Atomic; equal content gives
/// equal files. kUnsupported for element types that PyTorch's typed storages lack.
void write_torch_archive(const std::filesystem::path& path, const std::vector<TensorView>& tensors);

}  // namespace weir::io
