#include <iterator>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/links.h"
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

std::string html_point_legend(const std::vector<std::string>& names) {
  // As drawPoint() in scatter.js, in the same order; radius 5 about the middle.
  static constexpr std::string_view kShapes[] = {
      "M7 2a5 5 0 1 0 .01 0z", "M2.5 2.5h9v9h-9z",    "M7 1.5l5.5 10h-11z",
      "M7 1l6 6l-6 6l-6-6z",   "M7 12.5l5.5-10h-11z", "M5 1h4v4h4v4h-4v4h-4v-4h-4v-4h4z"};
  std::string list = "<ul class=\"series-legend\">\n";
  for (size_t i = 0; i < names.size(); ++i) {
    list += fmt::format(
        "<li data-series=\"{}\"><svg class=\"point-key\" viewBox=\"0 0 14 14\" width=\"14\" "
        "height=\"14\" fill=\"{}\" aria-hidden=\"true\"><path d=\"{}\"/></svg>{}</li>\n",
        i, series_color(i, names.size()).hex(), kShapes[i % std::size(kShapes)],
        names[i].empty() ? "(no name)" : escaped(names[i]));
  }
  return list + "</ul>\n";
}

std::string scale_attributes(const ColorScale& scale) {
  return fmt::format("data-ramp=\"{}\" data-low=\"{}\" data-high=\"{}\"",
                     scale.ramp() == ColorRamp::kSequential ? "sequential" : "diverging",
                     scale.low(), scale.high());
}

std::string html_link(const Link& link) {
  return fmt::format("<a href=\"{}\">{}</a>", href_of(link.target),
                     escaped_token(link.text.empty() ? link.target : link.text));
}

std::string html_values(const TableBlock& table) {
  return "<details class=\"values\"><summary>Values</summary>\n" + html(table) + "</details>\n";
}

std::string html_values_elsewhere() {
  return "<p class=\"note\">Too many values for a table here; the JSON and CSV forms have them."
         "</p>\n";
}

}  // namespace weir::report
