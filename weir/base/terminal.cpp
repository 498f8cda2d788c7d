#include "weir/base/terminal.h"

#include <cstdlib>
#include <sys/ioctl.h>
#include <unistd.h>

#include "weir/base/paths.h"

namespace weir {

int terminal_width() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  if (const auto columns = environment("COLUMNS")) {
    const int value = std::atoi(columns->c_str());
    if (value >= 20) return value;
  }
  return 100;
}

bool use_color() {
  if (environment("NO_COLOR")) return false;
  if (environment("CLICOLOR_FORCE").value_or("0") != "0") return true;
  return isatty(STDOUT_FILENO) == 1 && environment("TERM").value_or("") != "dumb";
}

}  // namespace weir
