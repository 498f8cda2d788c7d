#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

namespace weir::data {

/// What a file holds, by its name.
enum class FileKind {
  kText,       ///< .txt, .txt.zst
  kJsonLines,  ///< .jsonl, .jsonl.zst
  kIds,        ///< .npy, .bin
};
/// kInvalidArgument, with the names that are read, for any other.
FileKind kind_of(const std::filesystem::path& file);

/// The files as they are, and in the place of a folder those of the above in it and in the folders
/// below, sorted by path. kNotFound for what is not there, kInvalidArgument for a folder without
/// one.
std::vector<std::filesystem::path> find_files(const std::vector<std::filesystem::path>& inputs);

}  // namespace weir::data
