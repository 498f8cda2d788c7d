#include "tests/io/corruption.h"
#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"

namespace weir {
namespace {

using io::error_of;

std::vector<std::string> corpus() {
  std::vector<std::string> texts;
  const nlohmann::json golden = io::read_json(golden_file("smollm2.json"));
  for (const auto& expected : golden["cases"]) texts.push_back(expected["text"]);
  for (int i = 0; i < 20; ++i) texts.push_back("the theme of the thesis is there");
  return texts;
}

TEST(TrainBpe, RoundTripsArbitraryText) {
  const Tokenizer tokenizer = train_bpe(corpus(), {400, 2, {"<|endoftext|>", "<|pad|>"}});
  const std::vector<std::string> texts = {
      "the theme", "", " ", "日本語 😀", "\n\t\r\v", "unseen: Ωmega ёж ☃", "a<|pad|>b"};
  for (const std::string& text : texts) {
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text).ids), text);
  }
  const io::TemporaryFolder folder;
  tokenizer.save(folder.path());
  const Tokenizer loaded = Tokenizer::from_folder(folder.path());
  for (const std::string& text : texts) {
    EXPECT_EQ(loaded.encode(text).ids, tokenizer.encode(text).ids);
    EXPECT_EQ(pairs_of(loaded.encode(text).offsets), pairs_of(tokenizer.encode(text).offsets));
  }
  EXPECT_EQ(loaded.special().eos, 0);
}

TEST(TrainBpe, LearnsFrequentWordsUpToTheSizeAsked) {
  const Tokenizer tokenizer = train_bpe(corpus(), {300, 2, {"<|endoftext|>"}});
  EXPECT_EQ(tokenizer.vocab_size(), 300);
  EXPECT_EQ(tokenizer.token(0), "<|endoftext|>");
  EXPECT_TRUE(tokenizer.is_special(0));
  EXPECT_EQ(tokenizer.encode(" the").ids.size(), 1);
}

TEST(TrainBpe, IsDeterministic) {
  EXPECT_EQ(train_bpe(corpus(), {350, 2, {}}).to_json(),
            train_bpe(corpus(), {350, 2, {}}).to_json());
}

TEST(TrainBpe, TakesTextsOneByOneAndHandsOnWhatTheirReaderThrows) {
  const std::vector<std::string> texts = corpus();
  size_t n = 0;
  const NextText next = [&](std::string* text) {
    if (n == texts.size()) return false;
    *text = texts[n++];
    return true;
  };
  EXPECT_EQ(train_bpe(next, {350, 2, {}}).to_json(), train_bpe(texts, {350, 2, {}}).to_json());
  const NextText broken = [&](std::string*) -> bool { fail(ErrorCode::kUnavailable, "gone"); };
  EXPECT_EQ(error_of([&] { train_bpe(broken); }), ErrorCode::kUnavailable);
}

TEST(TrainBpe, RefusesSizesThatDoNotHoldTheBytes) {
  EXPECT_EQ(error_of([] {
              train_bpe({"a"}, {256, 2, {"<|endoftext|>"}});
            }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { train_bpe({"\xff"}); }), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace weir
