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

TEST(Validate, RefusesBadHistograms) {
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 1}, {1, 2}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 0}, {1}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, 1}, {-1}})), "");
  EXPECT_NE(refusal(with(HistogramBlock{"", "", {0, INFINITY}, {1}})), "");
}

TEST(Validate, RefusesStripsAndPatternsThatDoNotMatchTheirTokens) {
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
}

}  // namespace
}  // namespace weir
