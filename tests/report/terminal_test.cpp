#include <algorithm>
#include <clocale>
#include <cmath>
#include <cwchar>
#include <sstream>

#include <gtest/gtest.h>

#include "sample_reports.h"
#include "weir/report/report.h"

namespace weir {
namespace {

// Without "ESC [ numbers m", the only sequences that may be there.
std::string without_colors(const std::string& text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t escape = std::min(text.find("\x1b[", at), text.size());
    result.append(text, at, escape - at);
    if (escape == text.size()) break;
    const size_t end = text.find_first_not_of("0123456789;", escape + 2);
    if (text.at(end) != 'm') return result + "\x1b";
    at = end + 1;
  }
  return result;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Columns by the C library's own tables; -1 for a character that is no printable one.
int columns_of(const std::string& line) {
  std::wstring wide(line.size() + 1, L'\0');
  const size_t length = std::mbstowcs(wide.data(), line.c_str(), wide.size());
  if (length == static_cast<size_t>(-1)) return -1;
  return ::wcswidth(wide.c_str(), length);
}

class Terminal : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr); }
  void TearDown() override { std::setlocale(LC_CTYPE, "C"); }

  // Every line of the report is printable and fits, at widths `step` apart, with and without
  // colours.
  static void expect_fits(const Report& report, int step = 1) {
    for (int width = 40; width <= 200; width += step) {
      for (const bool color : {false, true}) {
        const std::string text = render_terminal(report, {width, color});
        for (const std::string& line : lines_of(without_colors(text))) {
          const int columns = columns_of(line);
          ASSERT_GE(columns, 0) << "not printable at width " << width << ": " << line;
          ASSERT_LE(columns, width) << line;
        }
      }
    }
  }
};

AttentionBlock long_attention(size_t n) {
  AttentionBlock attention{"Long", {}, {"h0", "h1"}, {}};
  for (size_t i = 0; i < n; ++i) attention.tokens.push_back("t" + std::to_string(i));
  attention.patterns.assign(2, std::vector<std::vector<double>>(n, std::vector<double>(n, 0.1)));
  return attention;
}

TEST_F(Terminal, FitsTheWidthAndPrintsNoControlCharacters) {
  expect_fits(testing::lens_sample());
  expect_fits(testing::other_blocks_sample(), 3);
  expect_fits(testing::empty_blocks_sample());
  expect_fits(testing::hostile_sample());
  expect_fits(testing::grouped_sample(2), 7);
}

TEST_F(Terminal, SaysInAFewLinesWhatOnlyThePageCanDraw) {
  Report report;
  report.blocks = {testing::large_scatter(5000), testing::picture_sample()};
  const std::string text = render_terminal(report, {100, false});
  EXPECT_LT(lines_of(text).size(), 12U) << text;
  EXPECT_NE(text.find("5000 points"), std::string::npos);
  EXPECT_NE(text.find("image/svg+xml: "), std::string::npos);
  report.blocks = {testing::graph_sample()};
  const std::string graph = render_terminal(report, {100, false});
  EXPECT_NE(graph.find("16 nodes and 28 edges"), std::string::npos);
  // The heaviest edges first, and no more than twenty.
  EXPECT_LT(graph.find("9.9 name mover"), graph.find("10.7 negative mover"));
  EXPECT_LT(lines_of(graph).size(), 27U);
}

TEST_F(Terminal, DrawsOpenGroupsAndNamesWhatIsInClosedOnes) {
  Report report;
  GroupBlock group{"Group", {TextBlock{"Inside", "words of it"}}};
  report.blocks = {group};
  EXPECT_EQ(render_terminal(report, {60, false}), "Group\n\nInside\nwords of it\n");
  group.collapsed = true;
  report.blocks = {group};
  EXPECT_EQ(render_terminal(report, {60, false}),
            "Group\n1 blocks in the HTML, JSON and CSV forms: Inside\n");
}

TEST_F(Terminal, ShowsATokenOfOneSpaceAsOne) {
  Report report;
  report.blocks = {TableBlock{"", {"token", "p"}, {{" ", 0.5}, {"\u00a0", 0.25}}, ""}};
  EXPECT_EQ(render_terminal(report, {40, false}),
            "token          p\n"
            "────────────────\n"
            "␣         0.5000\n"
            "<U+00A0>  0.2500\n");
}

TEST_F(Terminal, BreaksTheCommandSoThatAShellJoinsIt) {
  Report report;
  report.provenance.command = "weir lens model 'one\ntwo' --threads 2";
  EXPECT_EQ(render_terminal(report, {80, false}),
            "command: weir lens model 'one'$'\\n''two' --threads 2\n");
  EXPECT_EQ(render_terminal(report, {40, false}),
            "command: weir lens model \\\n'one'$'\\n''two' --threads 2\n");
}

TEST_F(Terminal, FitsBlocksMuchLargerThanTheScreen) {
  Report report;
  HeatMapBlock map;
  map.values.assign(3, std::vector<double>(900, 0.5));
  map.y_ticks.assign(3, std::string(70, 'y'));
  report.blocks = {map, long_attention(150),
                   TableBlock{std::string(300, 't'),
                              {std::string(90, 'a'), std::string(90, 'b')},
                              {{std::string(400, 'x'), INT64_MIN}},
                              std::string(300, 'n')},
                   HistogramBlock{"", "", {-1e300, 1e-300, 1e300}, {1e15, 1}}};
  expect_fits(report, 16);
}

TEST_F(Terminal, HasNoColorUnlessAsked) {
  const Report report = testing::hostile_sample();
  EXPECT_EQ(render_terminal(report, {80, false}).find('\x1b'), std::string::npos);
  EXPECT_NE(render_terminal(report, {80, true}).find("\x1b[38;2;"), std::string::npos);
}

TEST_F(Terminal, EndsEveryColorOnItsLine) {
  for (const std::string& line :
       lines_of(render_terminal(testing::other_blocks_sample(), {80, true}))) {
    const size_t last = line.rfind("\x1b[");
    if (last != std::string::npos) {
      EXPECT_EQ(line.substr(last, 4), "\x1b[0m") << line;
    }
  }
}

TEST_F(Terminal, PrintsEveryRowOfALongTable) {
  Report report;
  TableBlock table{"Rows", {"name", "n"}, {}, ""};
  for (int64_t i = 0; i < 500; ++i) table.rows.push_back({"row " + std::to_string(i), i});
  report.blocks = {table};
  const std::string text = render_terminal(report, {80, false});
  for (int i = 0; i < 500; ++i) {
    EXPECT_NE(text.find("row " + std::to_string(i) + " "), std::string::npos);
  }
}

TEST_F(Terminal, PutsColumnsThatDoNotFitBelow) {
  Report report;
  TableBlock table{"Wide", {"layer"}, {{int64_t{7}}}, ""};
  for (int i = 0; i < 30; ++i) {
    table.columns.push_back("head " + std::to_string(i));
    table.rows[0].emplace_back(0.5 + i);
  }
  report.blocks = {table};
  const std::string text = render_terminal(report, {60, false});
  EXPECT_NE(text.find("columns 2 to"), std::string::npos);
  for (int i = 0; i < 30; ++i) {
    EXPECT_NE(text.find("head " + std::to_string(i)), std::string::npos);
    EXPECT_NE(text.find(std::to_string(i) + ".5"), std::string::npos);
  }
}

TEST_F(Terminal, AlignsNumbersToTheRight) {
  Report report;
  report.blocks = {TableBlock{"", {"token", "p"}, {{"a", 0.5}, {"b", 12.25}}, ""}};
  EXPECT_EQ(render_terminal(report, {40, false}),
            "token      p\n"
            "────────────\n"
            "a       0.50\n"
            "b      12.25\n");
}

TEST_F(Terminal, LeavesTheValueOfATokenWithoutOneBlank) {
  TokenStripBlock strip;
  strip.tokens = {"The", "cat"};
  strip.values = {NAN, 2.5};
  Report report;
  report.blocks = {strip};
  const std::string text = render_terminal(report, {40, false});
  EXPECT_EQ(text.find("nan"), std::string::npos) << text;
  EXPECT_NE(text.find("2.5"), std::string::npos) << text;
}

TEST_F(Terminal, MarksTextThatWasCut) {
  Report report;
  report.blocks = {TableBlock{"", {"path"}, {{std::string(100, 'p')}}, ""}};
  const std::string text = render_terminal(report, {40, false});
  EXPECT_NE(text.find(std::string(39, 'p') + "\u2026"), std::string::npos);
}

TEST_F(Terminal, DrawsTheFirstRowOfAMapAtTheBottomWhenItGrowsUpwards) {
  Report report;
  HeatMapBlock map;
  map.y_ticks = {"low", "high"};
  map.values = {{0}, {1}};
  report.blocks = {map};
  std::string text = render_terminal(report, {40, false});
  EXPECT_LT(text.find("high"), text.find("low"));
  map.y_up = false;
  report.blocks = {map};
  text = render_terminal(report, {40, false});
  EXPECT_GT(text.find("high"), text.find("low"));
}

TEST_F(Terminal, ShowsATokenOfEveryCellOfAMapThatFits) {
  const std::string text = render_terminal(testing::lens_sample(), {100, false});
  EXPECT_NE(text.find("\u0120Paris"), std::string::npos);
  EXPECT_NE(text.find("embed"), std::string::npos);
  EXPECT_NE(text.find("probability of the top token"), std::string::npos);
}

TEST_F(Terminal, SaysWhichPartOfALargeBlockIsLeftOut) {
  Report report;
  report.blocks = {long_attention(150)};
  EXPECT_NE(render_terminal(report, {80, false}).find("left out"), std::string::npos);
  EXPECT_EQ(render_terminal(report, {200, false}).find("left out"), std::string::npos);
  HeatMapBlock map;
  map.values.assign(3, std::vector<double>(900, 0.5));
  report.blocks = {map};
  const std::string text = render_terminal(report, {80, false});
  EXPECT_NE(text.find("the first"), std::string::npos);
  EXPECT_NE(text.find("of 0 to 899"), std::string::npos);
}

TEST_F(Terminal, TellsSeriesApartWithoutColor) {
  Report report;
  report.blocks = {
      CurvesBlock{"", "x", "y", {0, 1, 2}, {{"up", {0, 1, 2}}, {"down", {2, 1.5, 0}}}, false}};
  const std::string text = render_terminal(report, {60, false});
  EXPECT_NE(text.find("* up  o down"), std::string::npos);
  EXPECT_EQ(std::count(text.begin(), text.end(), '*'), 4);  // Three points and the legend.
}

TEST_F(Terminal, DrawsBarsInProportion) {
  Report report;
  report.blocks = {HistogramBlock{"", "", {0, 1, 2, 3}, {40, 20, 0}}};
  const auto lines = lines_of(render_terminal(report, {60, false}));
  const auto blocks = [](const std::string& line) {
    size_t count = 0;
    for (size_t at = 0; (at = line.find("\u2588", at)) != std::string::npos; at += 3) ++count;
    return count;
  };
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_GT(blocks(lines[0]), 20U);
  EXPECT_NEAR(blocks(lines[1]), blocks(lines[0]) / 2.0, 1);
  EXPECT_EQ(blocks(lines[2]), 0U);
}

TEST_F(Terminal, GivesTheSameTextEveryTime) {
  EXPECT_EQ(render_terminal(testing::other_blocks_sample(), {90, true}),
            render_terminal(testing::other_blocks_sample(), {90, true}));
}

}  // namespace
}  // namespace weir
