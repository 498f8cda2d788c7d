#pragma once

#include <string>
#include <string_view>

namespace weir::store {

/// "scheme://host:port" of an http or https URL, the default port filled in. Two URLs with the
/// same origin are answered by the same server, so a secret for one may go to the other.
/// kInvalidArgument for anything else.
std::string url_origin(const std::string& url);

/// Percent-encodes all but letters, digits and "-._~", so that the text is one path segment.
std::string escape_segment(std::string_view text);
/// The same, segment by segment: '/' stays.
std::string escape_path(std::string_view text);

}  // namespace weir::store
