#include "weir/report/validate.h"

#include <cmath>

#include <gtest/gtest.h>

#include "sample_reports.h"
#include "weir/base/error.h"

namespace weir {
namespace {

Report with(Block block) {
  Report report;
  report.blocks = {TextBlock{"first", ""}, std::move(block)};
  return report;
}

// The message of the kInvalidArgument that every renderer answers with; "" when one does not.
std::string refusal(const Report& report) {
  std::string message;
  const auto is_refused = [&](const auto& render) {
    try {
      render();
    } catch (const Error& error) {
      message = error.what();
      return error.code() == ErrorCode::kInvalidArgument;
    }
    return false;
  };
  const bool by_all = is_refused([&] { render_terminal(report, {}); }) &&
                      is_refused([&] { render_json(report); }) &&
                      is_refused([&] { render_html(report); }) &&
                      is_refused([&] { write_csv(report, "/proc/no-such-folder"); });
  return by_all ? message : "";
}

TEST(Validate, NamesTheBlockAndTheFault) {
  const std::string message = refusal(with(TableBlock{"Scores", {"a", "b"}, {{1.0}}, ""}));
  EXPECT_EQ(message,
            "report: block 2 (table 'Scores'): expected as many cells in row 0 as columns (2), "
            "found 1");
}

TEST(Validate, RefusesMapsThatAreNoRectangle) {
  HeatMapBlock map;
  map.values = {{1, 2}, {3}};
  EXPECT_NE(refusal(with(map)), "");
  map.values = {{1, 2}, {3, 4}};
  map.x_ticks = {"a"};
  EXPECT_NE(refusal(with(map)), "");
  map.x_ticks = {};
  map.y_ticks = {"a", "b", "c"};
  EXPECT_NE(refusal(with(map)), "");
  map.y_ticks = {};
  map.cell_text = {{"a", "b"}};
  EXPECT_NE(refusal(with(map)), "");
  map.cell_text = {{"a", "b"}, {"c"}};
  EXPECT_NE(refusal(with(map)), "");
}

TEST(Validate, RefusesRangesThatAreEmptyOrInfinite) {
  HeatMapBlock map;
  map.values = {{1}};
  for (const auto& range : {std::pair(1.0, 1.0), {2.0, 1.0}, {0.0, INFINITY}, {NAN, 1.0}}) {
    map.range = range;
    EXPECT_NE(refusal(with(map)), "");
  }
}

TEST(Validate, RefusesSeriesOfAnotherLengthThanX) {
  EXPECT_NE(refusal(with(CurvesBlock{"", "", "", {1, 2}, {{"s", {1}}}, false})), "");
}

TEST(Validate, RefusesBandsThatDoNotFitTheirCurve) {
  const auto band = [](std::vector<double> lower, std::vector<double> upper) {
    CurvesBlock curves{"", "", "", {1, 2}, {{"s", {1, 2}}}, false};
    curves.series[0].lower = std::move(lower);
    curves.series[0].upper = std::move(upper);
    return with(curves);
  };
  EXPECT_NE(refusal(band({0}, {2, 3})), "");
  EXPECT_NE(refusal(band({}, {2, 3})), "");
  EXPECT_NE(refusal(band({0, 4}, {2, 3})), "");
  report::validate(band({0, NAN}, {2, NAN}));
}

TEST(Validate, RefusesColumnsOfPointsThatDiffer) {
  const auto refused = [](const auto& change) {
    ScatterBlock scatter{"", "", "", {1, NAN}, {3, INFINITY}};
    change(scatter);
    return !refusal(with(scatter)).empty();
  };
  EXPECT_TRUE(refused([](auto& scatter) { scatter.y = {1}; }));
  EXPECT_TRUE(refused([](auto& scatter) { scatter.labels = {"a"}; }));
  EXPECT_TRUE(refused([](auto& scatter) { scatter.groups = {"a"}; }));
  EXPECT_TRUE(refused([](auto& scatter) { scatter.values = {1}; }));
  EXPECT_TRUE(refused([](auto& scatter) { scatter.targets = {"a.html"}; }));
  EXPECT_TRUE(refused([](auto& scatter) { scatter.range = {{1, 1}}; }));
  EXPECT_TRUE(refused([](auto& scatter) {
    scatter.groups = {"a", "b"};
    scatter.values = {1, 2};
  }));
  // Points that are no numbers are counted, not refused.
  report::validate(with(ScatterBlock{"", "", "", {1, NAN}, {3, INFINITY}}));
}

TEST(Validate, RefusesEdgesToNodesThatAreNotThere) {
  GraphBlock graph;
  graph.edges = {{0, 0, 1}};
  EXPECT_NE(refusal(with(graph)), "");
  graph.nodes = {{"a"}, {"b", 1}};
  report::validate(with(graph));
  graph.edges = {{0, 2, 1}};
  EXPECT_NE(refusal(with(graph)), "");
  graph.edges = {{2, 0, 1}};
  EXPECT_NE(refusal(with(graph)), "");
  graph.edges = {{0, 1, NAN}};
  EXPECT_NE(refusal(with(graph)), "");
  graph.edges = {{0, 1, INFINITY}};
  EXPECT_NE(refusal(with(graph)), "");
}

TEST(Validate, RefusesMediaThatNoBrowserShowsOrThatIsNowhere) {
  EXPECT_NE(refusal(with(MediaBlock{"", "image/x-unknown", "bytes", "", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "text/html", "<script>", "", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "", "bytes", "", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "image/png", "", "", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "image/png", "bytes", "a.png", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "image/png", "", "/etc/a.png", ""})), "");
  EXPECT_NE(refusal(with(MediaBlock{"", "image/png", "", "https://a.org/a.png", ""})), "");
  report::validate(with(MediaBlock{"", "image/png", "", "../a.png", ""}));
}

TEST(Validate, RefusesLinksThatLeadNowhereOrOutside) {
  const auto link = [](const std::string& target) {
    return with(TableBlock{"Links", {"a"}, {{Link{"text", target}}}, ""});
  };
  for (const char* target : {"", "#", "#!?", "#No such block", "/etc/passwd", "https://a.org",
                             "javascript:alert(1)", "//a.org/b", "a\\b.html", "a\nb.html"}) {
    EXPECT_NE(refusal(link(target)), "") << target;
  }
  for (const char* target : {"#first", "#Links", "a.html", "../a b.html", "a.html#Anything"}) {
    report::validate(link(target));
  }
  // In every kind that can have a link; inside of a group, too.
  GraphBlock graph;
  graph.nodes = {{"a", 0, 0, 1, "#No such block"}};
  EXPECT_NE(refusal(with(graph)), "");
  EXPECT_NE(refusal(with(GroupBlock{"g", {graph}})), "");
  ScatterBlock scatter{"", "", "", {1}, {2}};
  scatter.targets = {"https://a.org"};
  EXPECT_NE(refusal(with(scatter)), "");
}

TEST(Validate, NamesABlockInAGroupByItsPath) {
  const GroupBlock inner{"Inner", {TextBlock{}, TableBlock{"Scores", {"a"}, {{1.0, 2.0}}, ""}}};
  const std::string message = refusal(with(GroupBlock{"Outer", {inner}}));
  EXPECT_NE(message.find("block 2.1.2 (table 'Scores')"), std::string::npos) << message;
}

TEST(Validate, RefusesGroupsWithoutEnd) {
  GroupBlock group{"g", {TextBlock{}}};
  for (int i = 0; i < 7; ++i) group = GroupBlock{"g", {group}};
  report::validate(with(group));
  for (int i = 0; i < 100; ++i) group = GroupBlock{"g", {group}};
  EXPECT_NE(refusal(with(group)), "");
}

TEST(Validate, RefusesNamesOfProvenanceThatAreTaken) {
  Report report;
  report.provenance.extra = {{"data set", "a"}, {"hash", "b"}};
  report::validate(report);
  report.provenance.extra = {{"hash", "a"}, {"hash", "b"}};
  EXPECT_NE(refusal(report), "");
  report.provenance.extra = {{"model", "a"}};
  EXPECT_NE(refusal(report), "");
  report.provenance.extra = {{"", "a"}};
  EXPECT_NE(refusal(report), "");
}

TEST(Validate, RefusesBadHistograms) {
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 1}, {1, 2}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 0}, {1}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 1}, {-1}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, INFINITY}, {1}})), "");
}

TEST(Validate, RefusesStripsAndPatternsThatDoNotMatchTheirTokens) {
  EXPECT_NE(refusal(with(PassagesBlock{"", "", {{"", {"a", "b"}, {1}}}, 0})), "");
  EXPECT_NE(refusal(with(PassagesBlock{"", "", {}, -1})), "");
  EXPECT_NE(refusal(with(TokenStripBlock{"", "", {"a", "b"}, {1}, {}, {}})), "");
  EXPECT_NE(refusal(with(TokenStripBlock{"", "", {"a", "b"}, {}, {"x"}, {}})), "");
  EXPECT_NE(refusal(with(AttentionBlock{"", {"a"}, {"h"}, {}})), "");
  EXPECT_NE(refusal(with(AttentionBlock{"", {"a", "b"}, {"h"}, {{{1, 0}}}})), "");
  EXPECT_NE(refusal(with(AttentionBlock{"", {"a", "b"}, {"h"}, {{{1, 0}, {1}}}})), "");
}

TEST(Validate, AcceptsTheSamples) {
  report::validate(testing::lens_sample());
  report::validate(testing::other_blocks_sample());
  report::validate(testing::empty_blocks_sample());
  report::validate(testing::hostile_sample());
  report::validate(testing::grouped_sample(3));
}

}  // namespace
}  // namespace weir
