#pragma once

#include <string>
#include <string_view>

namespace weir::io {

/// Text from a file as it may stand in a one-line message: control bytes and broken UTF-8 become
/// '?', and what exceeds about `limit` bytes is cut with "...".
std::string printable(std::string_view text, size_t limit = 80);

/// True when `text` is well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view text);

}  // namespace weir::io
