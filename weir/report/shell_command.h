#pragma once

#include <string>
#include <string_view>
#include <vector>

/// A command line as it can be shown and pasted into a shell again.
namespace weir::report {

/// The command on one line: line breaks, other control characters, hidden ones and broken bytes
/// become $'\n', $'\xc2\xa0' and so on (bash, zsh, ksh), which the shell turns back. Quotes in
/// which they stand are closed before and opened after. Nothing else changes.
std::string pasteable(std::string_view command);

/// The same in lines of at most `width` columns (at least 24), all but the last ending in the
/// backslash by which a shell goes on. `first_used` columns of the first line are taken.
std::vector<std::string> pasteable_lines(std::string_view command, int width, int first_used);

}  // namespace weir::report
