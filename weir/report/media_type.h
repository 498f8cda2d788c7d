#pragma once

#include <string>
#include <string_view>

namespace weir::report {

/// How a page shows media: the element, and the name that a file of it ends in.
struct MediaType {
  std::string_view mime, element, extension;
};

/// Nothing (null) for a type that browsers cannot be expected to show.
const MediaType* media_type(std::string_view mime);
/// "image/png, image/jpeg, ...", for messages.
std::string known_media_types();

}  // namespace weir::report
