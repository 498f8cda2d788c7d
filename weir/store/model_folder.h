#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace weir::store {

/// What a folder offers to a loader.
struct ModelFolder {
  bool is_hugging_face = false;  ///< config.json and safetensors or pytorch_model*.bin.
  /// The single-file models in it: .gguf, or .bin (llama2.c) where neither is there. Sorted.
  std::vector<std::filesystem::path> files;

  bool is_empty() const { return !is_hugging_face && files.empty(); }
};

ModelFolder inspect_folder(const std::filesystem::path& folder);

/// The model that a folder stands for: the folder itself in Hugging Face's layout, else its only
/// model file. Nothing when it holds none. kInvalidArgument, with the names, for several;
/// kUnavailable when its pull is unfinished. `name` is how the user calls it.
std::optional<std::filesystem::path> model_in_folder(const std::filesystem::path& folder,
                                                     const std::string& name);

/// Bytes of a file, or of all files directly in a folder.
uint64_t model_bytes(const std::filesystem::path& path);

}  // namespace weir::store
