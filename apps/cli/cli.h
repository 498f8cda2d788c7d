#pragma once

namespace weir::cli {

/// The whole command: parses, does what a verb does, tells errors on stderr, returns the exit
/// status (0 done, 1 failed, 2 wrong usage, 130 stopped by Ctrl-C). Once a process.
int run(int argc, char** argv);

}  // namespace weir::cli
