#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/io/json.h"
#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/page.h"
#include "weir/report/page_assets.h"
#include "weir/report/report.h"
#include "weir/report/report_json.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBlocksForContents = 4;  ///< Shorter reports need no list of contents.
constexpr int kPageDigits = 6;

// Fewer digits than a double has halve the page; the JSON and CSV forms keep them all.
void round_numbers(Json& json) {
  if (json.is_number_float()) {
    json = std::stod(fmt::format("{:.{}g}", json.get<double>(), kPageDigits));
  }
  if (json.is_structured()) {
    for (Json& item : json) round_numbers(item);
  }
}

// No "</script" and no "<!--" can stand in the text of a script element.
std::string script_json(const Json& json) {
  std::string text;
  for (const char c : io::dump_json(json)) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

Json ramps() {
  Json json;
  for (const auto ramp : {ColorRamp::kSequential, ColorRamp::kDiverging}) {
    Json colors = Json::array();
    for (int level = 0; level < kRampLevels; ++level) {
      const Rgb color = ramp_color(ramp, static_cast<double>(level) / (kRampLevels - 1));
      colors.push_back({color.hex(), needs_dark_text(color) ? "#000" : "#fff"});
    }
    json[ramp == ColorRamp::kSequential ? "sequential" : "diverging"] = std::move(colors);
  }
  return json;
}

std::string head(const Report& report) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'; script-src 'unsafe-inline'\">\n"
      "<title>{}</title>\n<style>\n{}</style>\n</head>\n",
      escaped(report.title.empty() ? "Report" : report.title), kPageStyle);
}

std::string heading_of(const Block& block, size_t i) {
  const std::string& title = title_of(block);
  if (title.empty()) return "";
  return fmt::format("<h2 id=\"title-{}\">{}</h2>\n", i + 1, escaped(title));
}

std::string contents(const Report& report) {
  if (report.blocks.size() < kBlocksForContents) return "";
  std::string list = "<nav aria-label=\"Contents\"><ol>\n";
  for (size_t i = 0; i < report.blocks.size(); ++i) {
    const std::string& title = title_of(report.blocks[i]);
    if (title.empty()) continue;
    list += fmt::format("<li><a href=\"#block-{}\">{}</a></li>\n", i + 1, escaped(title));
  }
  return list + "</ol></nav>\n";
}

// The line under the title: what a reader asks first.
std::string summary(const Provenance& provenance) {
  std::string line;
  for (const std::string& part : {provenance.model, provenance.dtype, provenance.device}) {
    if (!part.empty()) line += (line.empty() ? "" : " · ") + escaped(part);
  }
  return line.empty() ? "" : "<p class=\"summary\">" + line + "</p>\n";
}

std::string section(const Block& block, size_t i) {
  const std::string label =
      title_of(block).empty() ? "" : fmt::format(" aria-labelledby=\"title-{}\"", i + 1);
  return fmt::format("<section class=\"block\" id=\"block-{}\" data-block=\"{}\"{}>\n", i + 1, i,
                     label) +
         heading_of(block, i) + std::visit([](const auto& any) { return html(any); }, block) +
         "</section>\n";
}

std::string provenance_html(const Provenance& provenance) {
  std::string list;
  for (const auto& [name, value] : fields_of(provenance)) {
    list += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value));
  }
  if (list.empty()) return "";
  return "<details class=\"provenance\"><summary>Provenance</summary>\n<dl>\n" + list +
         "</dl></details>\n";
}

std::string scripts(const Report& report) {
  Json data = to_json(report);
  round_numbers(data);
  return fmt::format(
      "<script type=\"application/json\" id=\"report-data\">{}</script>\n"
      "<script type=\"application/json\" id=\"color-ramps\">{}</script>\n"
      "<script>\n{}</script>\n",
      script_json(data), script_json(ramps()), kPageScript);
}

std::string page_of(const Report& report) {
  std::string page = head(report) + "<body>\n<header>\n";
  if (!report.title.empty()) page += fmt::format("<h1>{}</h1>\n", escaped(report.title));
  page += summary(report.provenance) + contents(report) + "</header>\n<main>\n";
  for (size_t i = 0; i < report.blocks.size(); ++i) page += section(report.blocks[i], i);
  return page + "</main>\n<footer>\n" + provenance_html(report.provenance) + "</footer>\n" +
         scripts(report) + "</body>\n</html>\n";
}

}  // namespace

std::string html(const TextBlock& text) {
  std::string page = "<div class=\"text\">";
  for (const std::string& line : visible_lines(text.text)) page += escaped(line) + '\n';
  return page + "</div>\n";
}

}  // namespace report

std::string render_html(const Report& report) {
  report::validate(report);
  return report::page_of(report);
}

}  // namespace weir
