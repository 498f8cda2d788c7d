#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weir::report {

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// Nothing when the text is none of `base64`.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace weir::report
