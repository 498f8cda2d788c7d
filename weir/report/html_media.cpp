#include <fmt/format.h>

#include "weir/report/base64.h"
#include "weir/report/links.h"
#include "weir/report/media_type.h"
#include "weir/report/page.h"

namespace weir::report {

std::string html(const MediaBlock& media) {
  if (media.mime.empty()) return "<p class=\"note\">(no media)</p>\n";
  const MediaType& type = *media_type(media.mime);
  const std::string source = media.path.empty()
                                 ? fmt::format("data:{};base64,{}", media.mime, base64(media.bytes))
                                 : href_of_path(media.path);
  const std::string name = escaped(media.caption.empty() ? media.title : media.caption);
  std::string page = "<figure class=\"media\">\n";
  if (type.element == "img") {
    page += fmt::format("<img src=\"{}\" alt=\"{}\" loading=\"lazy\">\n", source, name);
  } else {
    page +=
        fmt::format("<{0} controls preload=\"metadata\" aria-label=\"{1}\" src=\"{2}\"></{0}>\n",
                    type.element, name, source);
  }
  if (!media.caption.empty()) {
    page += fmt::format("<figcaption class=\"note\">{}</figcaption>\n", escaped(media.caption));
  }
  return page + "</figure>\n";
}

}  // namespace weir::report
