#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <ATen/core/Tensor.h>

/// The state of a training as a safetensors file.
namespace weir {

struct TrainingState {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> texts;  ///< The file's metadata.
};

/// Atomically, and synced to the disk.
void save_state(const TrainingState& state, const std::filesystem::path& file);
/// Tensors of their own memory.
TrainingState read_state(const std::filesystem::path& file);

}  // namespace weir
