#include "weir/lm/generation_row.h"

#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"

namespace weir {
namespace {

using testing::small_tokenizer;
using testing::talking_model;

// Pushes the tokens of `text` into a row; returns the row's result and what the callback saw.
struct Told {
  Generation row;
  std::string streamed;
  int n_calls = 0;
};

Told tell(const std::string& text, GenerateOptions options, std::vector<int64_t> end_tokens = {}) {
  const Tokenizer tokenizer = small_tokenizer();
  Told told;
  if (!options.on_token) {
    options.on_token = [&](int64_t, int64_t, const std::string& certain) {
      ++told.n_calls;
      told.streamed += certain;
      return true;
    };
  }
  RowLimits limits;
  limits.end_tokens = std::move(end_tokens);
  GenerationRow row(0, {1}, options, limits, &tokenizer);
  for (const int64_t token : tokenizer.encode(text, false).ids) {
    if (row.is_running()) row.push(token, -1);
  }
  told.row = row.take();
  return told;
}

GenerateOptions with_stops(std::vector<std::string> stops) {
  GenerateOptions options;
  options.stop_strings = std::move(stops);
  return options;
}

TEST(GenerationRow, StreamsItsText) {
  const Told told = tell("the cat sat", {});
  EXPECT_EQ(told.row.text, "the cat sat");
  EXPECT_EQ(told.streamed, told.row.text);
  EXPECT_EQ(told.n_calls, static_cast<int>(told.row.tokens.size()));
}

TEST(GenerationRow, FindsAStopStringAcrossTokens) {
  // "t on t" begins inside " sat" and ends inside " the".
  const Tokenizer tokenizer = small_tokenizer();
  const auto tokens = tokenizer.encode("the cat sat on the mat", false).ids;
  ASSERT_LT(tokens.size(), 10u) << "words should be tokens";
  const Told told = tell("the cat sat on the mat", with_stops({"t on t"}));
  EXPECT_EQ(told.row.stopped_by, "stop_string");
  EXPECT_EQ(told.row.text, "the cat sa");
  EXPECT_EQ(told.streamed, told.row.text);
  // The token in which it begins stays; those after it go.
  EXPECT_EQ(tokenizer.decode(told.row.tokens), "the cat sat");
  EXPECT_EQ(told.row.log_probs.size(), told.row.tokens.size());
}

TEST(GenerationRow, ShowsHeldTextWhenTheLengthEndsIt) {
  GenerateOptions options = with_stops({"sat off"});
  options.max_new = static_cast<int64_t>(small_tokenizer().encode("the cat sat", false).ids.size());
  const Told told = tell("the cat sat on", options);
  EXPECT_EQ(told.row.stopped_by, "length");
  EXPECT_EQ(told.row.text, "the cat sat");
  EXPECT_EQ(told.streamed, told.row.text);
}

TEST(GenerationRow, ShowsHeldTextWhenTheModelEnds) {
  const Tokenizer tokenizer = small_tokenizer();
  const int64_t end = *tokenizer.id_of("<|endoftext|>");
  const Told told = tell("the cat sat<|endoftext|>the", with_stops({" sat o"}), {end});
  EXPECT_EQ(told.row.stopped_by, "eos");
  EXPECT_EQ(told.row.text, "the cat sat");
  EXPECT_EQ(told.streamed, told.row.text);
}

TEST(GenerationRow, HoldsBackHalfCharacters) {
  std::vector<std::string> pieces;
  GenerateOptions options;
  options.on_token = [&](int64_t, int64_t, const std::string& certain) {
    pieces.push_back(certain);
    return true;
  };
  const Told told = tell("\xC3\xA9\xE2\x82\xAC", options);  // é€, bytes are tokens
  EXPECT_EQ(told.row.text, "\xC3\xA9\xE2\x82\xAC");
  std::string all;
  for (const std::string& piece : pieces) {
    EXPECT_TRUE(piece.empty() || piece == "\xC3\xA9" || piece == "\xE2\x82\xAC") << piece;
    all += piece;
  }
  EXPECT_EQ(all, told.row.text);
}

TEST(Generate, StreamedTextIsTheFinalTextAndStopsShrinkIt) {
  const LanguageModel lm = talking_model(small_tokenizer());
  const auto prompt = lm.tokenizer().encode("the cat").ids;
  GenerateOptions options;
  options.max_new = 30;
  options.sampling.seed = 4;
  std::string streamed;
  options.on_token = [&](int64_t, int64_t, const std::string& text) {
    streamed += text;
    return true;
  };
  const Generation whole = generate(lm, {prompt}, options).rows[0];
  EXPECT_EQ(streamed, whole.text);
  EXPECT_EQ(lm.tokenizer().decode(whole.tokens, true), whole.text);
  ASSERT_GT(whole.text.size(), 12u);
  const std::string stop = whole.text.substr(whole.text.size() / 2, 4);
  streamed.clear();
  options.stop_strings = {stop};
  const Generation cut = generate(lm, {prompt}, options).rows[0];
  EXPECT_EQ(cut.stopped_by, "stop_string");
  EXPECT_EQ(cut.text, whole.text.substr(0, whole.text.find(stop)));
  EXPECT_EQ(streamed, cut.text);
}

}  // namespace
}  // namespace weir
