#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/page.h"

namespace weir::report {
namespace {

constexpr int kGradientStops = 17;

std::string with_entities(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

}  // namespace

std::string escaped(std::string_view text) { return with_entities(visible(text)); }

std::string escaped_token(std::string_view text) {
  return with_entities(visible(text, Spaces::kMarked));
}

std::string html_legend(const ColorScale& scale, std::string_view label) {
  std::string stops;
  for (int i = 0; i < kGradientStops; ++i) {
    const double position = static_cast<double>(i) / (kGradientStops - 1);
    stops += ',' + ramp_color(scale.ramp(), position).hex();
  }
  const NumberFormat format = scale.number_format();
  return fmt::format(
      "<p class=\"legend\"><span>{}</span><span class=\"bar\" "
      "style=\"background:linear-gradient(to right{})\"></span><span>{}</span><span "
      "class=\"what\">{}</span></p>\n",
      format(scale.low()), stops, format(scale.high()), escaped(label));
}

std::string html_series_legend(const std::vector<std::string>& names) {
  std::string list = "<ul class=\"series-legend\">\n";
  for (size_t i = 0; i < names.size(); ++i) {
    list += fmt::format(
        "<li data-series=\"{}\"><span class=\"key\" style=\"background:{}\"></span>{}</li>\n", i,
        series_color(i, names.size()).hex(), names[i].empty() ? "(no name)" : escaped(names[i]));
  }
  return list + "</ul>\n";
}

std::string html_values(const TableBlock& table) {
  return "<details class=\"values\"><summary>Values</summary>\n" + html(table) + "</details>\n";
}

std::string html_values_elsewhere() {
  return "<p class=\"note\">Too many values for a table here; the JSON and CSV forms have them."
         "</p>\n";
}

}  // namespace weir::report
