#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/page.h"
#include "weir/report/passages.h"

namespace weir::report {
namespace {

// A weak colour can still be seen.
constexpr double kFaintest = 0.12;

std::string token_html(const std::string& token, double value, double end) {
  const std::string text = escaped(visible(token));
  if (share(value, end) == 0) return text;
  return fmt::format("<b{} style=\"--a:{:.2f}\" title=\"{}\">{}</b>",
                     value < 0 ? " class=\"negative\"" : "",
                     kFaintest + (1 - kFaintest) * share(value, end), number_text(value), text);
}

}  // namespace

// Without the script, and light: most tokens are plain text. Values are said on hover.
std::string html(const PassagesBlock& block) {
  if (block.passages.empty()) return "<p class=\"note\">(no passages)</p>\n";
  const double end = scale_end(block);
  std::string page = "<figure class=\"passages\"><table>\n";
  for (const Passage& passage : block.passages) {
    page += "<tr><th scope=\"row\">" + escaped(visible(passage.note)) + "</th><td>";
    for (size_t i = 0; i < passage.tokens.size(); ++i) {
      page += token_html(passage.tokens[i], passage.values[i], end);
    }
    page += "</td></tr>\n";
  }
  return page + fmt::format(
                    "</table><figcaption class=\"note\">Colour: {}, up to {}.</figcaption>"
                    "</figure>\n",
                    block.value_label.empty() ? "value" : escaped(visible(block.value_label)),
                    number_text(end));
}

}  // namespace weir::report
