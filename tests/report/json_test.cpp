#include "weir/io/json.h"

#include <cmath>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "sample_reports.h"
#include "weir/report/report.h"

namespace weir {
namespace {

using nlohmann::json;

json parsed(const Report& report) { return io::parse_json(render_json(report), "report"); }

TEST(ReportJson, NamesItsSchemaAndProvenance) {
  const json document = parsed(testing::lens_sample());
  EXPECT_EQ(document["schema"], "weir.report/2");
  EXPECT_EQ(document["title"], "Logit lens: The capital of France is");
  EXPECT_EQ(document["provenance"]["model"], "smollm2-135m");
  EXPECT_EQ(document["provenance"]["seed"], 17);
  EXPECT_EQ(document["provenance"]["threads"], 2);
  EXPECT_EQ(document["provenance"]["wall_seconds"], 1.284);
}

TEST(ReportJson, LeavesEmptyProvenanceOut) {
  EXPECT_EQ(parsed(Report{})["provenance"], json::object());
}

TEST(ReportJson, KeepsEveryNumberExactly) {
  const Report report = testing::lens_sample();
  const json document = parsed(report);
  const auto& map = std::get<HeatMapBlock>(report.blocks[1]);
  const json& block = document["blocks"][1];
  EXPECT_EQ(block["type"], "heat_map");
  EXPECT_EQ(block["values"].get<std::vector<std::vector<double>>>(), map.values);
  EXPECT_EQ(block["cell_text"].get<std::vector<std::vector<std::string>>>(), map.cell_text);
  EXPECT_EQ(block["y_ticks"].get<std::vector<std::string>>(), map.y_ticks);
  EXPECT_EQ(block["range"], json::array({0.0, 1.0}));
  EXPECT_EQ(block["y_up"], true);
  const auto& table = std::get<TableBlock>(report.blocks[2]);
  const json& cell = document["blocks"][2]["rows"][9][3];
  EXPECT_EQ(cell.get<double>(), std::get<double>(table.rows[9][3]));
  EXPECT_TRUE(document["blocks"][2]["rows"][0][2].is_number_integer());
  const auto& curves = std::get<CurvesBlock>(report.blocks[3]);
  EXPECT_EQ(document["blocks"][3]["series"][1]["y"].get<std::vector<double>>(), curves.series[1].y);
}

TEST(ReportJson, NamesTheTypeOfEveryBlock) {
  std::vector<std::string> types;
  const json document = parsed(testing::empty_blocks_sample());
  for (const json& block : document["blocks"]) types.push_back(block["type"]);
  EXPECT_EQ(types, (std::vector<std::string>{"table", "heat_map", "curves", "histogram", "scatter",
                                             "token_strip", "passages", "attention", "text",
                                             "table", "graph", "media", "group"}));
}

TEST(ReportJson, WritesWhatIsNoNumberAsNull) {
  const json document = parsed(testing::hostile_sample());
  EXPECT_TRUE(document["blocks"][0]["rows"][0][1].is_null());
  EXPECT_TRUE(document["blocks"][1]["values"][1][0].is_null());
  EXPECT_TRUE(document["blocks"][3]["counts"][0].is_number());
  EXPECT_TRUE(document["blocks"][6]["patterns"][0][2][0].is_null());
}

TEST(ReportJson, KeepsControlCharactersAndReplacesBrokenBytes) {
  const std::string title = parsed(testing::hostile_sample())["title"];
  EXPECT_NE(title.find("\x1b[31m"), std::string::npos);
  EXPECT_NE(title.find("\ufffd"), std::string::npos);
}

TEST(ReportJson, IsTheSameEveryTime) {
  EXPECT_EQ(render_json(testing::other_blocks_sample()),
            render_json(testing::other_blocks_sample()));
}

}  // namespace
}  // namespace weir
