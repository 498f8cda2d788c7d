#include <cmath>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "sample_reports.h"
#include "weir/base/error.h"
#include "weir/report/report.h"

namespace weir {
namespace {

// Documents that were written once and stay as they are; documents/README.md says when.
std::string document(const std::string& name) {
  std::ifstream file(std::string(WEIR_REPORT_DOCUMENTS) + "/" + name, std::ios::binary);
  EXPECT_TRUE(file) << name;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ErrorCode code_of(const std::string& text) {
  try {
    parse_report(text, "test");
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).find("test"), 0U) << error.what();
    return error.code();
  }
  return ErrorCode::kInternal;
}

TEST(ReportParse, ReadsBackWhatWasWritten) {
  for (const Report& report :
       {testing::lens_sample(), testing::other_blocks_sample(), testing::empty_blocks_sample(),
        testing::hostile_sample(), testing::grouped_sample(2), Report{}}) {
    const std::string text = render_json(report);
    EXPECT_EQ(render_json(parse_report(text, "test")), text);
  }
}

TEST(ReportParse, DrawsTheSameAsTheReportItself) {
  // No infinity in these, which JSON cannot hold.
  for (const Report& report : {testing::lens_sample(), testing::other_blocks_sample(),
                               testing::empty_blocks_sample(), testing::grouped_sample(2)}) {
    const Report read = parse_report(render_json(report), "test");
    EXPECT_EQ(render_terminal(read, {90, true}), render_terminal(report, {90, true}));
    EXPECT_EQ(render_html(read), render_html(report));
  }
}

TEST(ReportParse, KeepsTheMeaningOfDocumentsOfSchema1) {
  const Report lens = parse_report(document("lens-1.json"), "lens-1.json");
  EXPECT_EQ(render_json(lens), render_json(testing::lens_sample()));
  EXPECT_EQ(render_html(lens), render_html(testing::lens_sample()));

  const Report old = parse_report(document("hostile-1.json"), "hostile-1.json");
  Report now = parse_report(render_json(testing::hostile_sample()), "now");
  ASSERT_EQ(old.blocks.size(), 8U);
  now.blocks.resize(8);  // Those kinds that were there.
  now.provenance.extra.clear();
  EXPECT_EQ(render_json(old), render_json(now));
}

// A change by which these differ is one of the schema: it gets a new number and documents.
TEST(ReportParse, KeepsThePresentSchemaAsItIs) {
  for (const char* name : {"hostile-2.json", "grouped-2.json"}) {
    const std::string text = document(name);
    EXPECT_EQ(render_json(parse_report(text, name)), text) << name;
  }
  EXPECT_EQ(render_json(testing::hostile_sample()), document("hostile-2.json"));
}

TEST(ReportParse, ReadsPointsOfSchema1AsColumns) {
  const Report report = parse_report(
      R"({"schema": "weir.report/1", "title": "t", "provenance": {}, "blocks": [
          {"type": "scatter", "title": "s", "x_label": "a", "y_label": "b", "points": [
            {"x": 1.5, "y": 2, "label": "", "group": "g"},
            {"x": null, "y": 3, "label": "", "group": ""}]}]})",
      "test");
  const auto& scatter = std::get<ScatterBlock>(report.blocks.at(0));
  EXPECT_EQ(scatter.x[0], 1.5);
  EXPECT_TRUE(std::isnan(scatter.x[1]));
  EXPECT_EQ(scatter.y, (std::vector<double>{2, 3}));
  EXPECT_TRUE(scatter.labels.empty());
  EXPECT_EQ(scatter.groups, (std::vector<std::string>{"g", ""}));
}

TEST(ReportParse, IgnoresKeysItDoesNotKnow) {
  const Report report = parse_report(
      R"({"schema": "weir.report/2", "result": {"a": [1]}, "blocks": [
          {"type": "text", "title": "t", "text": "x", "later": 1}]})",
      "test");
  EXPECT_EQ(std::get<TextBlock>(report.blocks.at(0)).text, "x");
}

TEST(ReportParse, RefusesWhatItCannotKnow) {
  EXPECT_EQ(code_of(R"({"schema": "weir.report/3", "blocks": []})"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of(R"({"schema": "weir.report/9999999999999999"})"), ErrorCode::kUnsupported);
  for (const char* text :
       {"", "[]", "{}", R"({"schema": "weir.report/0"})", R"({"schema": "weir.report/"})",
        R"({"schema": "other/2"})", R"({"schema": 2})"}) {
    EXPECT_EQ(code_of(text), ErrorCode::kCorruptData) << text;
  }
}

TEST(ReportParse, RefusesBrokenBlocks) {
  for (
      const std::string block :
      {R"({"type": "nosuch"})",
       R"({"title": "no type"})",
       R"([])",
       R"(null)",
       R"({"type": "table", "columns": ["a"], "rows": [[1, 2]]})",
       R"({"type": "table", "columns": ["a"], "rows": [[[]]]})",
       R"({"type": "table", "columns": ["a"], "rows": [[{"text": "t", "target": "//x"}]]})",
       R"({"type": "heat_map", "values": [[1], [1, 2]]})",
       R"({"type": "heat_map", "values": [["1"]]})",
       R"({"type": "heat_map", "values": [[1]], "range": [null, 1]})",
       R"({"type": "heat_map", "values": [[1]], "range": [1]})",
       R"({"type": "scatter", "x": [1], "y": []})",
       R"({"type": "scatter", "x": [1], "y": [1], "group_names": ["a"], "groups": [1]})",
       R"({"type": "scatter", "x": [1], "y": [1], "group_names": ["a"], "groups": [-1]})",
       R"({"type": "graph", "nodes": [{"label": "a"}], "edges": [{"from": 0, "to": 1, "weight": 1}]})",
       R"({"type": "graph", "nodes": [{"label": "a"}], "edges": [{"from": 0, "to": 0}]})",
       R"({"type": "graph", "nodes": [{"layer": 0.5}]})",
       R"({"type": "media", "mime": "image/png", "data": "not base64!"})",
       R"({"type": "media", "mime": "text/html", "data": "Zm9v"})",
       R"({"type": "group", "blocks": [{"type": "nosuch"}]})"}) {
    const std::string text = R"({"schema": "weir.report/2", "blocks": [)" + block + "]}";
    EXPECT_EQ(code_of(text), ErrorCode::kCorruptData) << block;
  }
  EXPECT_EQ(code_of(R"({"schema": "weir.report/2", "provenance": {"threads": -1}})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(code_of(R"({"schema": "weir.report/2", "provenance": {"extra": [{"name": ""}]}})"),
            ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace weir
