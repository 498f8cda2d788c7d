#include <cmath>
#include <regex>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_reports.h"
#include "weir/io/json.h"
#include "weir/report/page.h"
#include "weir/report/report.h"

namespace weir {
namespace {

using nlohmann::json;

size_t count(const std::string& text, const std::string& piece) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(piece, at)) != std::string::npos; at += piece.size()) ++found;
  return found;
}

// The JSON copy of the report that the page's script reads.
std::string data_of(const std::string& page) {
  const std::string open = "id=\"report-data\">";
  const size_t start = page.find(open) + open.size();
  return page.substr(start, page.find("</script>", start) - start);
}

std::string without_scripts_and_style(const std::string& page) {
  std::string body;
  size_t at = 0;
  while (true) {
    const size_t open = std::min(page.find("<script", at), page.find("<style", at));
    body += page.substr(at, open - at);
    if (open == std::string::npos) return body;
    at = std::min(page.find("</script>", open), page.find("</style>", open));
    at = page.find('>', at) + 1;
  }
}

// Every element that opens closes, in order. Says what does not.
std::string nesting_fault(const std::string& body) {
  static const std::regex kTag("<(/?)([a-z0-9]+)((?:\"[^\"]*\"|[^\">])*?)(/?)>");
  std::vector<std::string> open;
  for (auto tag = std::sregex_iterator(body.begin(), body.end(), kTag);
       tag != std::sregex_iterator(); ++tag) {
    const std::string name = (*tag)[2];
    const bool is_void = name == "meta" || name == "br" || name == "wbr" || (*tag)[4] == "/";
    if (is_void) continue;
    if ((*tag)[1] != "/") {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> stays open";
}

std::vector<Report> samples() {
  return {testing::lens_sample(), testing::other_blocks_sample(), testing::empty_blocks_sample(),
          testing::hostile_sample(), Report{}};
}

TEST(ReportHtml, IsOneFileThatRefersToNothingOutside) {
  for (const Report& report : samples()) {
    const std::string page = render_html(report);
    EXPECT_EQ(page.find("http://"), std::string::npos);
    EXPECT_EQ(page.find("https://"), std::string::npos);
    EXPECT_EQ(page.find(" src="), std::string::npos);
    EXPECT_EQ(page.find("@import"), std::string::npos);
    EXPECT_EQ(page.find("url("), std::string::npos);
    EXPECT_EQ(count(page, " href="), count(page, " href=\"#block-"));
    EXPECT_EQ(page.find("<link"), std::string::npos);
    EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  }
}

TEST(ReportHtml, HasNoMarkupFromItsStrings) {
  for (const Report& report : samples()) {
    const std::string page = render_html(report);
    // Data, colours and the script itself.
    EXPECT_EQ(count(page, "<script"), 3U);
    EXPECT_EQ(count(page, "</script"), 3U);
    EXPECT_EQ(data_of(page).find('<'), std::string::npos);
  }
}

TEST(ReportHtml, NestsItsElements) {
  for (const Report& report : samples()) {
    EXPECT_EQ(nesting_fault(without_scripts_and_style(render_html(report))), "");
  }
}

TEST(ReportHtml, ShowsHostileTextAsText) {
  const std::string body = without_scripts_and_style(render_html(testing::hostile_sample()));
  EXPECT_NE(body.find("&lt;script&gt;alert(1)&lt;/script&gt;\u241b[31m"), std::string::npos);
  EXPECT_NE(body.find("&quot;quoted&quot;, &#39;x&#39; &amp; &lt;U+202E&gt;"), std::string::npos);
  for (const char byte : body) {
    EXPECT_TRUE(byte == '\n' || static_cast<unsigned char>(byte) >= 0x20) << int{byte};
  }
  EXPECT_EQ(body.find('\x7f'), std::string::npos);
}

TEST(ReportHtml, HoldsTheWholeReportAsData) {
  const Report report = testing::lens_sample();
  const json page = io::parse_json(data_of(render_html(report)), "page data");
  const json exact = io::parse_json(render_json(report), "report");
  EXPECT_EQ(page["blocks"].size(), exact["blocks"].size());
  EXPECT_EQ(page["blocks"][0]["tokens"], exact["blocks"][0]["tokens"]);
  EXPECT_EQ(page["blocks"][1]["cell_text"], exact["blocks"][1]["cell_text"]);
  const auto shown = page["blocks"][1]["values"].get<std::vector<std::vector<double>>>();
  const auto& values = std::get<HeatMapBlock>(report.blocks[1]).values;
  for (size_t y = 0; y < values.size(); ++y) {
    for (size_t x = 0; x < values[y].size(); ++x) {
      // The page rounds to six significant digits: half a unit of the sixth.
      EXPECT_NEAR(shown[y][x], values[y][x], 5e-6 * std::abs(values[y][x]));
    }
  }
}

TEST(ReportHtml, ShowsEveryLabelWithoutItsScript) {
  const Report report = testing::lens_sample();
  const std::string body = without_scripts_and_style(render_html(report));
  const auto expect_shown = [&](const std::string& text) {
    EXPECT_NE(body.find(report::escaped_token(text)), std::string::npos) << text;
  };
  const auto& map = std::get<HeatMapBlock>(report.blocks[1]);
  for (const auto& text : {map.title, map.x_label, map.y_label, map.value_label})
    expect_shown(text);
  for (const auto& tick : map.x_ticks) expect_shown(tick);
  for (const auto& tick : map.y_ticks) expect_shown(tick);
  for (const auto& row : map.cell_text) {
    for (const auto& text : row) expect_shown(text);
  }
  for (const auto& row : std::get<TableBlock>(report.blocks[2]).rows) {
    expect_shown(std::get<std::string>(row[1]));
    EXPECT_NE(body.find(">" + std::to_string(std::get<int64_t>(row[2])) + "<"), std::string::npos);
  }
  expect_shown("The answer appears in layer 25 and stays.");
  expect_shown(report.provenance.model_sha256);
  expect_shown(report.provenance.command);
}

TEST(ReportHtml, HasATableOfValuesForEveryFigure) {
  const Report report = testing::other_blocks_sample();
  const std::string body = without_scripts_and_style(render_html(report));
  const size_t n_tables = 2;
  EXPECT_EQ(count(body, "<figure"), report.blocks.size() - n_tables);
  EXPECT_EQ(count(body, "class=\"values\""), report.blocks.size() - n_tables);
  EXPECT_EQ(count(body, "role=\"img\""), count(body, "aria-label=\"") - 2);  // Contents and heads.
}

TEST(ReportHtml, StaysSmallForLargeMaps) {
  Report report;
  HeatMapBlock map;
  map.values.assign(300, std::vector<double>(300, 0.123456789));
  report.blocks = {map};
  const std::string page = render_html(report);
  // 90 000 cells at about 30 bytes of path and 9 of data.
  EXPECT_LT(page.size(), 90'000 * 60U);
  EXPECT_NE(page.find("the JSON and CSV forms have them"), std::string::npos);
}

TEST(ReportHtml, IsTheSameEveryTime) {
  EXPECT_EQ(render_html(testing::other_blocks_sample()),
            render_html(testing::other_blocks_sample()));
}

}  // namespace
}  // namespace weir
