#pragma once

namespace weir {

/// Columns of the terminal on stdout: the window's, else $COLUMNS, else 100.
int terminal_width();

/// Whether to colour what goes to stdout: a terminal, no NO_COLOR, TERM not "dumb";
/// CLICOLOR_FORCE=1 colours in any case.
bool use_color();

}  // namespace weir
