#include "weir/report/media_type.h"

#include <algorithm>
#include <iterator>

namespace weir::report {
namespace {

// SVG is shown as a picture, in which no script runs.
constexpr MediaType kTypes[] = {
    {"image/png", "img", "png"},     {"image/jpeg", "img", "jpg"},
    {"image/gif", "img", "gif"},     {"image/webp", "img", "webp"},
    {"image/svg+xml", "img", "svg"}, {"audio/wav", "audio", "wav"},
    {"audio/mpeg", "audio", "mp3"},  {"audio/ogg", "audio", "ogg"},
    {"audio/flac", "audio", "flac"}, {"video/mp4", "video", "mp4"},
    {"video/webm", "video", "webm"}, {"video/ogg", "video", "ogv"},
};

}  // namespace

const MediaType* media_type(std::string_view mime) {
  const auto found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                  [mime](const MediaType& type) { return type.mime == mime; });
  return found == std::end(kTypes) ? nullptr : found;
}

std::string known_media_types() {
  std::string list;
  for (const MediaType& type : kTypes) {
    list += (list.empty() ? "" : ", ") + std::string(type.mime);
  }
  return list;
}

}  // namespace weir::report
