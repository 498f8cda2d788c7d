#include <cmath>
#include <variant>

#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "weir/base/error.h"
#include "weir/lens/logit_lens.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::small_tokenizer;
using testing::some_tokens;
using testing::talking_model;

TEST(LensReport, HasItsBlocksWithMatchingSizes) {
  const LanguageModel lm = golden_model("gpt2");
  LensOptions options;
  options.sites = {LensSite::kResidMid, LensSite::kResidPost};
  options.top_k = 3;
  const LensResult lens = logit_lens(lm, some_tokens(48, 97), options);
  const Report report = lens_report(lm, lens);
  ASSERT_EQ(report.blocks.size(), 6u);
  const size_t n = 1 + 2 * static_cast<size_t>(lm.config().n_layers), t = lens.tokens.size();

  const auto& strip = std::get<TokenStripBlock>(report.blocks[0]);
  ASSERT_EQ(strip.values.size(), t);
  ASSERT_EQ(strip.details.size(), t);
  EXPECT_TRUE(std::isnan(strip.values[0]));
  EXPECT_NEAR(strip.values[1], -lens.output_log_prob[0].item<double>(), 1e-12);

  const auto& map = std::get<HeatMapBlock>(report.blocks[1]);
  ASSERT_EQ(map.y_ticks.size(), n);
  EXPECT_EQ(map.y_ticks[0], "embed");
  EXPECT_EQ(map.y_ticks[1], "0 mid");
  EXPECT_EQ(map.y_ticks[2], "0");
  EXPECT_EQ(map.x_ticks.size(), t);
  ASSERT_EQ(map.values.size(), n);
  ASSERT_EQ(map.cell_text.size(), n);
  for (size_t i = 0; i < n; ++i) {
    EXPECT_EQ(map.values[i].size(), t);
    EXPECT_EQ(map.cell_text[i].size(), t);
  }
  EXPECT_EQ(map.cell_text[2][4], lm.token_text(lens.top_ids[2][4][0].item<int64_t>()));
  EXPECT_NEAR(map.values[2][4], std::exp(lens.top_log_probs[2][4][0].item<double>()), 1e-6);

  const auto& output = std::get<TableBlock>(report.blocks[2]);
  EXPECT_EQ(output.rows.size(), 3u);
  const auto& layers = std::get<TableBlock>(report.blocks[3]);
  EXPECT_EQ(layers.rows.size(), n);
  for (const auto* table : {&output, &layers}) {
    for (const auto& row : table->rows) EXPECT_EQ(row.size(), table->columns.size());
  }
  for (const size_t i : {4u, 5u}) {
    const auto& curves = std::get<CurvesBlock>(report.blocks[i]);
    EXPECT_NE(curves.y_label.find("nats"), std::string::npos);
    ASSERT_EQ(curves.series.size(), 2u);
    EXPECT_EQ(curves.x.size(), n);
    for (const Series& series : curves.series) EXPECT_EQ(series.y.size(), n);
  }
}

TEST(LensReport, ShowsTokensAsText) {
  const LanguageModel lm = talking_model(small_tokenizer());
  const Encoding encoding = lm.tokenizer().encode("the cat sat");
  const Report report = lens_report(lm, logit_lens(lm, encoding.ids));
  const auto& map = std::get<HeatMapBlock>(report.blocks[1]);
  ASSERT_EQ(map.x_ticks.size(), encoding.ids.size());
  std::string prompt;
  for (const std::string& token : map.x_ticks) prompt += token;
  EXPECT_EQ(prompt, "the cat sat");
}

// The fault: with a gap before the probability, a token of one space looked like two.
TEST(LensReport, ShowsATokenOfOneSpaceAsOneInTheTableOfLayers) {
  const LanguageModel lm = talking_model(small_tokenizer());
  LensResult lens = logit_lens(lm, lm.tokenizer().encode("the cat sat").ids);
  int64_t space = 0;
  while (lm.token_text(space) != " ") ++space;
  lens.top_ids.fill_(space);
  lens.top_log_probs.fill_(std::log(0.0421));
  const Report report = lens_report(lm, lens);
  const std::string text = render_terminal(report, {120, false});
  EXPECT_NE(text.find("\u2423 0.042"), std::string::npos);
  EXPECT_EQ(text.find("\u2423\u2423"), std::string::npos) << text;
  const std::string page = render_html(report);
  EXPECT_NE(page.find("<td>\u2423 0.042</td>"), std::string::npos);
}

TEST(LensReport, NeedsTopTokens) {
  const LanguageModel lm = golden_model("gpt2");
  LensOptions options;
  options.top_k = 0;
  const LensResult lens = logit_lens(lm, some_tokens(4, 97), options);
  EXPECT_FALSE(lens.top_ids.defined());
  EXPECT_THROW(lens_report(lm, lens), Error);
}

}  // namespace
}  // namespace weir
