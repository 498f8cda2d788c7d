#include "weir/report/page_document.h"

#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/io/json.h"
#include "weir/report/block_kind.h"
#include "weir/report/character.h"
#include "weir/report/color_scale.h"
#include "weir/report/links.h"
#include "weir/report/page.h"
#include "weir/report/page_assets.h"
#include "weir/report/report_json.h"
#include "weir/report/shell_command.h"

namespace weir::report {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBlocksForContents = 4;  ///< Shorter reports need no list of contents.
constexpr int kLevelsOfContents = 2;      ///< Blocks, and those in a group.
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

// The page shows media and passages once; the script has no need of them.
void drop_what_is_shown(Json& blocks) {
  for (Json& block : blocks) {
    if (block["type"] == "media") block["data"] = "";
    if (block["type"] == "passages") block["passages"] = Json::array();
    if (block["type"] == "group") drop_what_is_shown(block["blocks"]);
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

// The tables that the script shares with the library: no second list of the same things.
std::string script_tables() {
  Json hidden = Json::array();
  for (const CodeRange& range : hidden_ranges()) {
    hidden.push_back({static_cast<uint32_t>(range.first), static_cast<uint32_t>(range.last)});
  }
  return fmt::format("const ramps = {};\nconst hiddenRanges = {};\n", script_json(ramps()),
                     script_json(hidden));
}

// Sections of the blocks, and the list of contents that names them.
class Body {
 public:
  std::string sections(const std::vector<Block>& blocks) { return sections(blocks, "", "", 2); }

  std::string contents() const {
    if (n_entries_ < kBlocksForContents) return "";
    return "<nav class=\"contents\" aria-label=\"Contents\">" + entries_ + "</nav>\n";
  }

 private:
  // `number` counts from 1 and is for people, `place` from 0 and for the script; both lead down
  // through the groups.
  std::string sections(const std::vector<Block>& blocks, const std::string& number,
                       const std::string& place, int level) {
    std::string text;
    const bool lists = level < kLevelsOfContents + 2;
    if (lists) entries_ += "<ol>\n";
    for (size_t i = 0; i < blocks.size(); ++i) {
      const Block& block = blocks[i];
      const std::string own = number + std::to_string(i + 1);
      const std::string id = id_of(block, own);
      const auto* group = std::get_if<GroupBlock>(&block);
      const bool is_listed = lists && (group != nullptr || !title_of(block).empty());
      if (is_listed) entries_ += "<li>" + entry(block, id);
      text += open_section(block, id, place + std::to_string(i));
      text += group == nullptr
                  ? heading(block, id, level) + std::visit(Drawing{}, block)
                  : group_html(*group, id, own + '-', place + std::to_string(i) + '.', level);
      text += "</section>\n";
      if (is_listed) entries_ += "</li>\n";
    }
    if (lists) entries_ += "</ol>";
    return text;
  }

  struct Drawing {
    template <typename Kind>
    std::string operator()(const Kind& block) const {
      return html(block);
    }
    std::string operator()(const GroupBlock&) const { return ""; }
  };

  std::string group_html(const GroupBlock& group, const std::string& id, const std::string& number,
                         const std::string& place, int level) {
    const std::string title = heading(group, id, level);
    std::string members = sections(group.blocks, number, place, std::min(level + 1, 6));
    if (group.blocks.empty()) members = "<p class=\"note\">(no blocks)</p>\n";
    members = fmt::format("<div class=\"members{}\">\n", group.tabs ? " tabbed" : "") + members +
              "</div>\n";
    if (!group.collapsed) return title + members;
    return "<details class=\"group\"><summary>" +
           (title.empty() ? fmt::format("{} blocks", group.blocks.size()) : title) +
           "</summary>\n" + members + "</details>\n";
  }

  std::string id_of(const Block& block, const std::string& number) {
    const std::string anchor = anchor_of(title_of(block));
    const std::string plain = "block-" + number;
    for (std::string id = anchor.empty() ? plain : anchor;; id = plain + "-" + id) {
      if (taken_.insert(id).second) return id;
    }
  }

  std::string entry(const Block& block, const std::string& id) {
    const std::string& title = title_of(block);
    if (title.empty()) return "";
    ++n_entries_;
    return fmt::format("<a href=\"{}\">{}</a>", '#' + href_of_path(id), escaped(title));
  }

  static std::string open_section(const Block& block, const std::string& id,
                                  const std::string& place) {
    const std::string label =
        title_of(block).empty() ? "" : fmt::format(" aria-labelledby=\"title-{}\"", id);
    return fmt::format("<section class=\"block\" id=\"{}\" data-block=\"{}\"{}>\n", id, place,
                       label);
  }

  static std::string heading(const Block& block, const std::string& id, int level) {
    const std::string& title = title_of(block);
    if (title.empty()) return "";
    return fmt::format("<h{0} id=\"title-{1}\">{2}</h{0}>\n", level, id, escaped(title));
  }

  std::set<std::string> taken_;
  std::string entries_;
  size_t n_entries_ = 0;
};

std::string head(const Report& report, const PageFrame& frame) {
  const bool is_shared = !frame.assets.empty();
  // Opened from a disk, a page and the files beside it are no "self" to every browser; hence file:.
  const std::string_view code = is_shared ? " 'self' file:" : "";
  std::string text = fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'{0}; script-src 'unsafe-inline'{0}; img-src 'self' file: data: blob:; "
      "media-src 'self' file: data: blob:\">\n",
      code);
  if (frame.refresh_seconds > 0) {
    text += fmt::format("<noscript><meta http-equiv=\"refresh\" content=\"{}\"></noscript>\n",
                        frame.refresh_seconds);
  }
  text +=
      fmt::format("<title>{}</title>\n", escaped(report.title.empty() ? "Report" : report.title));
  text += is_shared ? fmt::format("<link rel=\"stylesheet\" href=\"{}page.css\">\n", frame.assets)
                    : fmt::format("<style>\n{}</style>\n", kPageStyle);
  return text + "</head>\n";
}

// The line under the title: what a reader asks first.
std::string summary(const Provenance& provenance) {
  std::string line;
  for (const std::string& part : {provenance.model, provenance.dtype, provenance.device}) {
    if (!part.empty()) line += (line.empty() ? "" : " · ") + escaped(part);
  }
  return line.empty() ? "" : "<p class=\"summary\">" + line + "</p>\n";
}

std::string provenance_html(const Provenance& provenance) {
  std::string list;
  for (const auto& [name, value] : fields_of(provenance)) {
    list += fmt::format("<dt>{}</dt><dd>{}</dd>\n", escaped(name),
                        escaped(name == "command" ? pasteable(value) : value));
  }
  if (list.empty()) return "";
  return "<details class=\"provenance\"><summary>Provenance</summary>\n<dl>\n" + list +
         "</dl></details>\n";
}

std::string scripts(const Report& report, const PageFrame& frame) {
  Json data = to_json(report);
  round_numbers(data);
  drop_what_is_shown(data["blocks"]);
  return fmt::format("<script type=\"application/json\" id=\"report-data\">{}</script>\n",
                     script_json(data)) +
         (frame.assets.empty()
              ? fmt::format("<script>\n{}</script>\n", page_script())
              : fmt::format("<script src=\"{}page.js\"></script>\n", frame.assets));
}

}  // namespace

std::string page_style() { return std::string(kPageStyle); }

std::string page_script() {
  return "\"use strict\";\n" + script_tables() + std::string(kPageScript);
}

std::string page_document(const Report& report, const PageFrame& frame) {
  Body body;
  const std::string sections = body.sections(report.blocks);
  const std::string refresh =
      frame.refresh_seconds > 0 ? fmt::format(" data-refresh=\"{}\"", frame.refresh_seconds) : "";
  std::string page =
      head(report, frame) + fmt::format("<body{}>\n<header>\n", refresh) + frame.navigation;
  if (!report.title.empty()) page += fmt::format("<h1>{}</h1>\n", escaped(report.title));
  return page + summary(report.provenance) + body.contents() + "</header>\n<main>\n" + sections +
         frame.list + "</main>\n<footer>\n" + provenance_html(report.provenance) + "</footer>\n" +
         scripts(report, frame) + "</body>\n</html>\n";
}

}  // namespace weir::report
