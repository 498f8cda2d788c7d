#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace weir::store {

/// A model that comes as one file inside Python packages: whole in one, or cut into pieces, one a
/// package, to be put together in order.
struct PipPackage {
  std::string name;     ///< In the store.
  std::string package;  ///< As pip calls it.
  std::string version;
  std::string file;    ///< Its name, in the package and in the store.
  std::string sha256;  ///< Of the whole file.
  uint64_t n_bytes = 0;
  std::string licence;
  /// Terms that a user must accept before anything is fetched, and where they can be read; empty:
  /// none.
  std::string terms;
  struct Part {
    std::string package;  ///< Of the same version.
    std::string file;
    uint64_t n_bytes = 0;
  };
  /// Not empty: `package` itself holds SHA256SUMS of the whole and `notices`, the parts the bytes.
  std::vector<Part> parts;
  std::vector<std::string> notices;  ///< Files that stay beside the model.
};

/// SmolLM2-135M-Instruct (Llama family), quantised to 4 bits: the model of the demo.
const PipPackage& default_package();
/// All that are known by name, the default one first.
const std::vector<PipPackage>& known_packages();
/// Null when there is none of that name.
const PipPackage* find_package(const std::string& name);

/// Fetches the package (pip_download.h), checks size and hash of the file and puts it into the
/// store; returns its path. A file that is already there is kept. Of a file in pieces those that
/// arrived stay, and the next pull goes on behind them. kUnavailable when pip cannot fetch it;
/// kCorruptData when the package holds another file.
std::filesystem::path pull_package(const PipPackage& package);

}  // namespace weir::store
