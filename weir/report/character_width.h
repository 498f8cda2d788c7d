#pragma once

namespace weir::report {

/// Columns of a terminal that a printable character takes: 0 (combining), 1, or 2 (East Asian wide
/// and emoji). Control characters must have been made visible before.
int character_width(char32_t code);

}  // namespace weir::report
