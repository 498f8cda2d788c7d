#include <cmath>
#include <csignal>
#include <fstream>
#include <sstream>
#include <sys/resource.h>

#include <gtest/gtest.h>

#include "sample_reports.h"
#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/sha256.h"
#include "weir/report/report.h"

namespace weir {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string read(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// RFC 4180 by its letter: fields between commas, quoted ones with doubled quotes, CRLF at the end.
Rows parse(const std::string& text) {
  Rows rows = {{}};
  std::string field;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      for (++i; !(text[i] == '"' && text[i + 1] != '"'); ++i) {
        if (text[i] == '"') ++i;
        field += text.at(i);
      }
    } else if (text[i] == ',' || text[i] == '\r') {
      rows.back().push_back(std::exchange(field, ""));
      if (text[i] == '\r') {
        EXPECT_EQ(text.at(++i), '\n');
        rows.emplace_back();
      }
    } else {
      field += text[i];
    }
  }
  EXPECT_TRUE(rows.back().empty()) << "the last line does not end";
  rows.pop_back();
  return rows;
}

class ReportCsv : public ::testing::Test {
 protected:
  std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path() / "out")) {
      names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  void write(const Report& report) const { write_csv(report, folder_.path() / "out"); }
  Rows rows(const std::string& name) const { return parse(read(folder_.path() / "out" / name)); }

  io::TemporaryFolder folder_;
};

TEST_F(ReportCsv, WritesOneFileABlock) {
  write(testing::lens_sample());
  EXPECT_EQ(files(), (std::vector<std::string>{"01-prompt.csv", "02-top-token-of-each-layer.csv",
                                               "03-next-token-after-the-capital-of-france-i.csv",
                                               "04-entropy-and-divergence-at-the-last-posit.csv",
                                               "05-reading.csv", "provenance.csv"}));
}

TEST_F(ReportCsv, NamesBlocksWithoutTitleByTheirKind) {
  write(testing::empty_blocks_sample());
  const auto names = files();
  EXPECT_EQ(names[1], "02-heat_map.csv");
  EXPECT_EQ(names.size(), 14U);
}

TEST_F(ReportCsv, WritesMapsInLongFormWithExactValues) {
  const Report report = testing::lens_sample();
  write(report);
  const auto& map = std::get<HeatMapBlock>(report.blocks[1]);
  const Rows table = rows("02-top-token-of-each-layer.csv");
  ASSERT_EQ(table.size(), 1 + 31 * 5U);
  EXPECT_EQ(table[0], (std::vector<std::string>{"y_index", "x_index", "y", "x", "value", "text"}));
  for (size_t i = 1; i < table.size(); ++i) {
    const size_t y = std::stoul(table[i][0]), x = std::stoul(table[i][1]);
    EXPECT_EQ(table[i][2], map.y_ticks[y]);
    EXPECT_EQ(table[i][3], map.x_ticks[x]);
    EXPECT_EQ(std::strtod(table[i][4].c_str(), nullptr), map.values[y][x]);
    EXPECT_EQ(table[i][5], map.cell_text[y][x]);
  }
}

TEST_F(ReportCsv, WritesCurvesWithAColumnASeries) {
  const Report report = testing::lens_sample();
  write(report);
  const auto& curves = std::get<CurvesBlock>(report.blocks[3]);
  const Rows table = rows("04-entropy-and-divergence-at-the-last-posit.csv");
  EXPECT_EQ(table[0], (std::vector<std::string>{"layer", "entropy", "KL to the final layer"}));
  for (size_t i = 0; i < curves.x.size(); ++i) {
    EXPECT_EQ(std::strtod(table[i + 1][0].c_str(), nullptr), curves.x[i]);
    EXPECT_EQ(std::strtod(table[i + 1][2].c_str(), nullptr), curves.series[1].y[i]);
  }
}

TEST_F(ReportCsv, KeepsEveryByteOfHostileText) {
  Report report = testing::hostile_sample();
  for (size_t i = 0; i < report.blocks.size(); ++i) {
    std::visit([i](auto& block) { block.title = std::to_string(i); }, report.blocks[i]);
  }
  write(report);
  const std::string text = testing::kHostileText;
  const Rows table = rows("01-0.csv");
  EXPECT_EQ(table[0], (std::vector<std::string>{text, text, text}));
  EXPECT_EQ(table[1], (std::vector<std::string>{text, "nan", "1"}));
  EXPECT_EQ(rows("02-1.csv")[1][5], text);
  EXPECT_EQ(rows("02-1.csv")[4][4], "inf");
  EXPECT_EQ(rows("05-4.csv")[1], (std::vector<std::string>{"0", "1", text, text, "", ""}));
  EXPECT_EQ(rows("06-5.csv")[2], (std::vector<std::string>{"1", text, "nan", text}));
  EXPECT_EQ(rows("07-6.csv")[4], (std::vector<std::string>{text, "1", "0", text, text, "0.5"}));
  EXPECT_EQ(rows("08-7.csv")[1], std::vector<std::string>{text});
  EXPECT_EQ(rows("09-8.csv")[1][2], text);
  EXPECT_EQ(rows("10-9.csv")[1],
            (std::vector<std::string>{"image/png", "", text, std::to_string(text.size()),
                                      io::sha256_hex(text)}));
  EXPECT_EQ(rows("12-11.csv")[1], (std::vector<std::string>{"1", "text", text}));
  EXPECT_EQ(rows("13-12.csv")[2], (std::vector<std::string>{"0", text, "1", text, "nan"}));
  EXPECT_EQ(rows("provenance.csv")[1], (std::vector<std::string>{"title", text}));
}

TEST_F(ReportCsv, WritesGraphsAsNodesAndEdges) {
  Report report;
  GraphBlock graph;
  graph.nodes = {{"a", -1, 2, 0.5}, {"b", 3, 4, NAN, "b.html"}};
  graph.edges = {{1, 0, -0.25}};
  report.blocks = {graph};
  write(report);
  const Rows table = rows("01-graph.csv");
  ASSERT_EQ(table.size(), 4U);
  EXPECT_EQ(table[1],
            (std::vector<std::string>{"node", "0", "a", "-1", "2", "0.5", "", "", "", ""}));
  EXPECT_EQ(table[2],
            (std::vector<std::string>{"node", "1", "b", "3", "4", "nan", "", "", "", "b.html"}));
  EXPECT_EQ(table[3],
            (std::vector<std::string>{"edge", "0", "", "", "", "", "1", "0", "-0.25", ""}));
}

TEST_F(ReportCsv, WritesBandsBesideTheirCurve) {
  Report report;
  CurvesBlock curves{"", "step", "loss", {1, 2}, {{"a", {3, 4}}, {"b", {5, 6}}}, false};
  curves.series[0].lower = {2, NAN};
  curves.series[0].upper = {3.5, NAN};
  report.blocks = {curves};
  write(report);
  EXPECT_EQ(rows("01-curves.csv"), (Rows{{"step", "a", "a lower", "a upper", "b"},
                                         {"1", "3", "2", "3.5", "5"},
                                         {"2", "4", "nan", "nan", "6"}}));
}

TEST_F(ReportCsv, WritesTheBlocksOfAGroupUnderItsNumber) {
  Report report;
  report.blocks = {
      TextBlock{"First", ""},
      GroupBlock{"All prompts", {TextBlock{"One", "1"}, GroupBlock{"", {TextBlock{}}}}}};
  write(report);
  EXPECT_EQ(files(),
            (std::vector<std::string>{"01-first.csv", "02-01-one.csv", "02-02-01-text.csv",
                                      "02-02-group.csv", "02-all-prompts.csv", "provenance.csv"}));
  EXPECT_EQ(rows("02-all-prompts.csv"),
            (Rows{{"block", "type", "title"}, {"1", "text", "One"}, {"2", "group", ""}}));
}

TEST_F(ReportCsv, HasTheExtraPairsOfTheProvenance) {
  Report report;
  report.provenance.model = "m";
  report.provenance.extra = {{"data set", "a, b"}, {"recipe", "r"}};
  write(report);
  EXPECT_EQ(rows("provenance.csv"), (Rows{{"field", "value"},
                                          {"title", ""},
                                          {"model", "m"},
                                          {"data set", "a, b"},
                                          {"recipe", "r"}}));
}

TEST_F(ReportCsv, LeavesNothingWhenItCannotBeWrittenToTheEnd) {
  // As on a full disk: the first file fits, the second does not.
  Report report = testing::lens_sample();
  report.blocks.resize(1);
  report.blocks.push_back(TextBlock{"Long", std::string(100'000, 'x')});
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = 50'000;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(write_csv(report, folder_.path() / "new" / "out"), Error);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "new"));
}

TEST_F(ReportCsv, SaysWhenTheFolderCannotBeMade) {
  const auto file = folder_.write("file", "");
  try {
    write_csv(testing::lens_sample(), file / "out");
    FAIL() << "wrote below a file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("out"), std::string::npos);
  }
}

}  // namespace
}  // namespace weir
