#include <cmath>

#include <fmt/format.h>

#include "weir/report/page.h"

namespace weir::report {
namespace {

std::string token_html(const TokenStripBlock& strip, size_t i, const ColorScale& scale) {
  const bool has_value = !strip.values.empty() && !std::isnan(strip.values[i]);
  std::string color;
  if (has_value) {
    const Rgb background = scale.color(strip.values[i]);
    color = fmt::format(" style=\"background:{};color:{}\"", background.hex(),
                        needs_dark_text(background) ? "#000" : "#fff");
  }
  // A token that ends a line ends it here too.
  const bool ends_line = strip.tokens[i].find('\n') != std::string::npos;
  return fmt::format("<span class=\"token\" data-index=\"{}\"{}>{}</span>{}", i, color,
                     escaped_token(strip.tokens[i]), ends_line ? "<br>" : "<wbr>");
}

std::string values_table(const TokenStripBlock& strip) {
  TableBlock table{"", {"index", "token"}, {}, ""};
  if (!strip.values.empty()) {
    table.columns.push_back(strip.value_label.empty() ? "value" : strip.value_label);
  }
  if (!strip.details.empty()) table.columns.push_back("details");
  for (size_t i = 0; i < strip.tokens.size(); ++i) {
    std::vector<Cell> row = {static_cast<int64_t>(i), strip.tokens[i]};
    if (!strip.values.empty()) row.emplace_back(strip.values[i]);
    if (!strip.details.empty()) row.emplace_back(strip.details[i]);
    table.rows.push_back(std::move(row));
  }
  const bool fits = table.rows.size() * table.columns.size() <= kMostTableCells;
  return fits ? html_values(table) : html_values_elsewhere();
}

}  // namespace

std::string html(const TokenStripBlock& strip) {
  if (strip.tokens.empty()) return "<p class=\"note\">(no tokens)</p>\n";
  const ColorScale scale(strip.values, strip.range, ColorRamp::kSequential);
  std::string page = "<figure class=\"strip\">\n<p class=\"tokens\">";
  for (size_t i = 0; i < strip.tokens.size(); ++i) page += token_html(strip, i, scale);
  page += "</p>\n";
  if (!strip.values.empty()) page += html_legend(scale, strip.value_label);
  return page + values_table(strip) + "</figure>\n";
}

}  // namespace weir::report
