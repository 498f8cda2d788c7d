#pragma once

#include <string>
#include <string_view>

namespace weir::io {

/// The bytes as a gzip file (RFC 1952), without name and time: the same bytes every time.
std::string gzip(std::string_view bytes);

}  // namespace weir::io
