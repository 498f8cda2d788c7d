#include <cmath>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_reports.h"
#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/report/base64.h"
#include "weir/report/links.h"
#include "weir/report/page.h"
#include "weir/report/report.h"

namespace weir {
namespace {

using nlohmann::json;

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

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
    const bool is_void =
        name == "meta" || name == "br" || name == "wbr" || name == "img" || (*tag)[4] == "/";
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

// Of every such attribute outside of scripts.
std::vector<std::string> values_of(const std::string& page, const std::string& attribute) {
  std::vector<std::string> values;
  const std::string body = without_scripts_and_style(page), open = " " + attribute + "=\"";
  for (size_t at = 0; (at = body.find(open, at)) != std::string::npos;) {
    at += open.size();
    values.push_back(body.substr(at, body.find('"', at) - at));
  }
  return values;
}

std::vector<Report> samples() {
  return {testing::lens_sample(),    testing::other_blocks_sample(), testing::empty_blocks_sample(),
          testing::hostile_sample(), testing::grouped_sample(3),     Report{}};
}

TEST(ReportHtml, IsOneFileThatRefersToNothingOutside) {
  for (const Report& report : samples()) {
    const std::string page = render_html(report);
    EXPECT_EQ(page.find("http://"), std::string::npos);
    EXPECT_EQ(page.find("https://"), std::string::npos);
    for (const std::string& source : values_of(page, "src")) {
      EXPECT_TRUE(source.rfind("data:", 0) == 0 || source.find(':') == std::string::npos) << source;
    }
    for (const std::string& target : values_of(page, "href")) {
      EXPECT_EQ(target.find(':'), std::string::npos) << target;
      EXPECT_EQ(target.find("//"), std::string::npos) << target;
    }
    EXPECT_EQ(page.find("@import"), std::string::npos);
    EXPECT_EQ(page.find("url("), std::string::npos);
    EXPECT_EQ(page.find("<link"), std::string::npos);
    EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  }
}

TEST(ReportHtml, HasNoMarkupFromItsStrings) {
  for (const Report& report : samples()) {
    const std::string page = render_html(report);
    // Data, and the script itself.
    EXPECT_EQ(count(page, "<script"), 2U);
    EXPECT_EQ(count(page, "</script"), 2U);
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
  const size_t n_tables = 2, n_media = 1, n_passages = 1;  // Passages name values in their marks.
  EXPECT_EQ(count(body, "<figure"), report.blocks.size() - n_tables);
  EXPECT_EQ(count(body, "class=\"values\""),
            report.blocks.size() - n_tables - n_media - n_passages);
}

TEST(ReportHtml, NamesEveryDrawingForScreenReaders) {
  for (const Report& report : samples()) {
    const std::string body = without_scripts_and_style(render_html(report));
    static const std::regex kSvg("<svg[^>]*>");
    for (auto tag = std::sregex_iterator(body.begin(), body.end(), kSvg);
         tag != std::sregex_iterator(); ++tag) {
      const std::string text = tag->str();
      EXPECT_TRUE(text.find("aria-label=") != std::string::npos ||
                  text.find("aria-hidden=") != std::string::npos)
          << text;
    }
    EXPECT_EQ(count(body, "<img"), count(body, " alt=\""));
  }
}

TEST(ReportHtml, GivesEveryBlockItsOwnAnchor) {
  for (const Report& report : samples()) {
    const std::vector<std::string> ids = values_of(render_html(report), "id");
    EXPECT_EQ(std::set<std::string>(ids.begin(), ids.end()).size(), ids.size());
  }
}

TEST(ReportHtml, LeadsLinksToTheirBlocks) {
  for (const Report& report : samples()) {
    const std::string page = render_html(report);
    const std::vector<std::string> ids = values_of(page, "id");
    for (const std::string& target : values_of(page, "href")) {
      if (target[0] != '#') continue;
      const bool leads = std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
        return report::href_of_path(id) == target.substr(1);
      });
      EXPECT_TRUE(leads) << target;
    }
  }
  EXPECT_NE(
      render_html(testing::grouped_sample(3)).find("<a href=\"#block-prompt-2\">Prompt 2</a>"),
      std::string::npos);
}

TEST(ReportHtml, ListsSixtyBlocksInItsContents) {
  const std::string page = render_html(testing::grouped_sample(60));
  const std::string body = without_scripts_and_style(page);
  const size_t start = body.find("<nav");
  const std::string contents = body.substr(start, body.find("</nav>") - start);
  for (int i = 0; i < 60; ++i) {
    EXPECT_EQ(count(contents, ">Prompt " + std::to_string(i) + "<"), 1U);
  }
  EXPECT_EQ(count(body, "<details class=\"group\">"), 60U);
  // What is in them is found through them, not listed once more.
  EXPECT_EQ(count(contents, "Entropy"), 0U);
}

TEST(ReportHtml, DrawsBandsWithTheirGaps) {
  Report report;
  CurvesBlock curves{"", "x", "y", {0, 1, 2, 3, 4}, {{"s", {1, 2, 3, 4, 5}}}, false};
  curves.series[0].lower = {0, 1, NAN, 3, 4};
  curves.series[0].upper = {2, 9, NAN, 5, 6};
  report.blocks = {curves};
  const std::string page = render_html(report);
  const size_t band = page.find("class=\"band\"");
  ASSERT_NE(band, std::string::npos);
  const size_t path = page.find(" d=\"", band);
  const std::string drawn = page.substr(path + 4, page.find('"', path + 4) - path - 4);
  EXPECT_EQ(count(drawn, "M"), 2U) << drawn;
  EXPECT_EQ(count(drawn, "z"), 2U) << drawn;
  EXPECT_EQ(count(drawn, "L"), 6U) << drawn;
  // The axis holds the whole band.
  EXPECT_NE(page.find("data-y-high=\"10\""), std::string::npos);
}

TEST(ReportHtml, HoldsSmallMediaOnceAndNamesTheirType) {
  Report report;
  report.blocks = {testing::sound_sample(), MediaBlock{"", "video/mp4", "", "films/a b.mp4", "c"}};
  const std::string page = render_html(report);
  const std::string bytes = report::base64(std::get<MediaBlock>(report.blocks[0]).bytes);
  EXPECT_EQ(count(page, "data:audio/wav;base64," + bytes), 1U);
  EXPECT_EQ(count(page, bytes), 1U);
  EXPECT_NE(page.find("<video controls preload=\"metadata\" aria-label=\"c\" "
                      "src=\"films/a%20b.mp4\"></video>"),
            std::string::npos);
  EXPECT_NE(page.find("media-src 'self' file: data: blob:"), std::string::npos);
  EXPECT_NE(page.find("img-src 'self' file: data: blob:"), std::string::npos);
}

TEST(ReportHtml, PutsLargeMediaBesideThePage) {
  const io::TemporaryFolder folder;
  Report report;
  const std::string bytes(300'000, 'x');
  report.blocks = {GroupBlock{
      "Films", {MediaBlock{"A face", "video/mp4", bytes, "", "c"}, testing::picture_sample()}}};
  write_html(report, folder / "page.html");
  const std::string page = read(folder / "page.html");
  EXPECT_NE(page.find("src=\"page-media/01-01-a-face.mp4\""), std::string::npos);
  EXPECT_LT(page.size(), 300'000U);
  EXPECT_EQ(read(folder / "page-media/01-01-a-face.mp4"), bytes);
  EXPECT_NE(page.find("data:image/svg+xml;base64,"), std::string::npos);
  // As one file it holds everything; the caller's report is as it was.
  EXPECT_NE(render_html(report).find(report::base64(bytes)), std::string::npos);
}

TEST(ReportHtml, LoadsItselfAgainUntilTheRunIsOver) {
  const Report report = testing::lens_sample();
  const std::string running = render_html(report, {5}), last = render_html(report);
  EXPECT_NE(running.find("<body data-refresh=\"5\">"), std::string::npos);
  EXPECT_NE(running.find("<noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>"),
            std::string::npos);
  EXPECT_NE(last.find("<body>"), std::string::npos);
  EXPECT_EQ(last.find("http-equiv=\"refresh\""), std::string::npos);
  EXPECT_THROW(render_html(report, {-1}), Error);
}

TEST(ReportHtml, ShowsTheCommandSoThatItCanBePasted) {
  Report report;
  report.provenance.command = "weir lens m 'a\nb\u00a0'";
  const std::string body = without_scripts_and_style(render_html(report));
  EXPECT_NE(
      body.find("weir lens m &#39;a&#39;$&#39;\\n&#39;&#39;b&#39;$&#39;\\xc2\\xa0&#39;&#39;&#39;"),
      std::string::npos);
}

TEST(ReportHtml, LetsMapsZoomThatHaveNoRoomForTheirText) {
  const auto page_of = [](HeatMapBlock map) {
    Report report;
    report.blocks = {std::move(map)};
    return without_scripts_and_style(render_html(report));
  };
  EXPECT_NE(page_of(testing::long_text_map(400)).find("data-zoom"), std::string::npos);
  EXPECT_EQ(page_of(testing::long_text_map(6)).find("data-zoom"), std::string::npos);
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
