#include <cstdlib>
#include <string_view>
#include <unistd.h>

#include "weir/base/version.h"

namespace weir::cli {
namespace {

/// Answers `weir --version` before the libraries initialise: LibTorch takes 0.4 s to register its
/// operators, which this word does not need. Nothing of C++'s run-time exists here yet, so a plain
/// write(2); where it fails, main() answers again and tells of it.
void answer_version(int argc, char** argv, char**) {
  if (argc != 2 || std::string_view(argv[1]) != "--version") return;
  const std::string_view text = version();
  char line[64];
  if (text.size() >= sizeof line) return;
  text.copy(line, text.size());
  line[text.size()] = '\n';
  const auto size = static_cast<ssize_t>(text.size() + 1);
  if (write(STDOUT_FILENO, line, text.size() + 1) == size) _exit(EXIT_SUCCESS);
}

/// The loader calls what stands in this section of an executable before any library's initialisers.
__attribute__((section(".preinit_array"),
               used)) void (*const before_libraries)(int, char**, char**) = answer_version;

}  // namespace
}  // namespace weir::cli
