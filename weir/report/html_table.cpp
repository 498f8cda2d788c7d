#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/page.h"

namespace weir::report {
namespace {

// Longer tables scroll under their header, and get a field to filter by.
constexpr size_t kLongTable = 30;
constexpr size_t kLongCell = 90;  ///< Bytes; longer text runs over several lines.

bool is_number_column(const TableBlock& table, size_t column) {
  for (const auto& row : table.rows) {
    if (text_of(row[column]) != nullptr) return false;
  }
  return !table.rows.empty();
}

std::string cell_html(const Cell& cell, const NumberFormat& format, bool is_number) {
  if (const std::string* text = text_of(cell)) {
    const bool is_long = text->size() > kLongCell;
    const auto* link = std::get_if<Link>(&cell);
    return fmt::format("<td{}>{}</td>", is_long ? " class=\"long\"" : "",
                       link == nullptr ? escaped_token(*text) : html_link(*link));
  }
  const char* style = is_number ? " class=\"number\"" : "";
  const auto* value = std::get_if<double>(&cell);
  const std::string shown = cell_text(cell, format);
  if (value == nullptr) return fmt::format("<td{}>{}</td>", style, shown);
  // Sorting goes by the number itself, which may have more digits than are shown.
  return fmt::format("<td{} data-value=\"{}\">{}</td>", style, exact_text(*value), shown);
}

}  // namespace

std::string html(const TableBlock& table) {
  std::vector<NumberFormat> formats;
  std::vector<bool> is_number;
  const bool is_long = table.rows.size() > kLongTable;
  std::string page =
      fmt::format("<div class=\"scroll{}\"><table>\n<thead><tr>", is_long ? " long" : "");
  for (size_t i = 0; i < table.columns.size(); ++i) {
    formats.push_back(NumberFormat::of(doubles_of(table.rows, i)));
    is_number.push_back(is_number_column(table, i));
    page += fmt::format("<th scope=\"col\"{}>{}</th>", is_number[i] ? " class=\"number\"" : "",
                        escaped(table.columns[i]));
  }
  page += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    page += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) page += cell_html(row[i], formats[i], is_number[i]);
    page += "</tr>\n";
  }
  page += "</tbody></table></div>\n";
  if (table.rows.empty()) page += "<p class=\"note\">(no rows)</p>\n";
  if (!table.note.empty()) page += fmt::format("<p class=\"note\">{}</p>\n", escaped(table.note));
  return page;
}

}  // namespace weir::report
