#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace weir::cli {

struct ChildResult {
  std::string output;    ///< What it wrote to stdout.
  int64_t peak_rss = 0;  ///< Bytes: its greatest resident set.
};

/// What comes out of a pipe until its other end is closed; closes this one.
std::string read_to_end(int descriptor);

/// Runs this very program anew with `arguments`, to its end. Its stderr is ours. kInternal when it
/// fails, kInterrupted when Ctrl-C ended it.
ChildResult run_self(const std::vector<std::string>& arguments);

}  // namespace weir::cli
