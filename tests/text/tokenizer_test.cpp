#include <thread>

#include "tests/io/corruption.h"
#include "tests/text/golden_cases.h"

namespace weir {
namespace {

using io::error_of;

const Tokenizer& smollm2() {
  static const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  return tokenizer;
}

TEST(Tokenizer, NamesTokensBothWays) {
  EXPECT_EQ(smollm2().token(0), "<|endoftext|>");
  EXPECT_EQ(smollm2().id_of("Ġthe"), smollm2().encode(" the", false).ids.front());
  EXPECT_FALSE(smollm2().id_of("no such token").has_value());
  EXPECT_EQ(error_of([] { smollm2().token(49152); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { smollm2().token(-1); }), ErrorCode::kInvalidArgument);
  for (int64_t id = 0; id < smollm2().vocab_size(); ++id) {
    ASSERT_EQ(smollm2().id_of(smollm2().token(id)), id);
  }
}

TEST(Tokenizer, DisplayShowsTextAndIncompleteBytes) {
  EXPECT_EQ(smollm2().display(*smollm2().id_of("Ġthe")), " the");
  EXPECT_EQ(smollm2().display(*smollm2().id_of("Ċ")), "\n");
  EXPECT_EQ(smollm2().display(*smollm2().id_of("â")), "<0xE2>");
  EXPECT_EQ(smollm2().display(*smollm2().id_of("âĢ")), "<0xE2><0x80>");
  EXPECT_EQ(smollm2().display(*smollm2().id_of("âĢĻ")), "\u2019");
  EXPECT_EQ(smollm2().display(1), "<|im_start|>");
  EXPECT_EQ(smollm2().display(49152), "<49152>");
  EXPECT_EQ(error_of([] { smollm2().display(-1); }), ErrorCode::kInvalidArgument);
}

TEST(Tokenizer, TextThatIsNoUtf8IsAnInvalidArgument) {
  std::string message;
  EXPECT_EQ(error_of([] { smollm2().encode("ab\xff"); }, &message), ErrorCode::kInvalidArgument);
  EXPECT_NE(message.find("byte 2"), std::string::npos) << message;
  EXPECT_EQ(error_of([] { smollm2().encode_batch({"a", "\xc3"}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(error_of([] { smollm2().decode({-1}); }), ErrorCode::kInvalidArgument);
}

TEST(Tokenizer, SkipsSpecialTokensOnRequest) {
  const std::vector<int64_t> ids = smollm2().encode("<|im_start|>hi<|im_end|>").ids;
  EXPECT_EQ(smollm2().decode(ids), "<|im_start|>hi<|im_end|>");
  EXPECT_EQ(smollm2().decode(ids, true), "hi");
}

TEST(Tokenizer, EncodesTheSameFromSeveralThreads) {
  const nlohmann::json golden = io::read_json(golden_file("smollm2.json"));
  std::vector<std::thread> threads;
  std::vector<int> n_equal(4);
  for (int& count : n_equal) {
    threads.emplace_back([&golden, &count, tokenizer = smollm2()] {
      for (int round = 0; round < 5; ++round) {
        for (const auto& expected : golden["cases"]) {
          const auto ids = tokenizer.encode(expected["text"].get<std::string>(), false).ids;
          const bool is_equal = ids == expected["ids"].get<std::vector<int64_t>>() &&
                                tokenizer.decode(ids) == expected["decoded"].get<std::string>();
          count += is_equal ? 1 : 0;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_equal, (std::vector<int>{300, 300, 300, 300}));
}

ErrorCode error_of_json(const std::string& json) {
  return error_of([&] { Tokenizer::from_json(json).encode("a"); });
}

TEST(Tokenizer, MalformedJsonIsCorrupt) {
  EXPECT_EQ(error_of_json(""), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_json("\xff"), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_json("{}"), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_json(std::string(100000, '[')), ErrorCode::kCorruptData);
  const auto with_model = [](const std::string& model) {
    return error_of_json(R"({"version": "1.0", "model": )" + model + "}");
  };
  EXPECT_EQ(with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": ["aa"]})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "BPE", "vocab": {"a": 0}, "merges": [["a"]]})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "BPE", "vocab": {"a": -1}, "merges": []})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "BPE", "vocab": {"a": 4000000000}, "merges": []})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "Martian", "vocab": {}})"), ErrorCode::kCorruptData);
  EXPECT_EQ(with_model(R"({"type": "Unigram", "unk_id": null, "vocab": [["b", 0.0]]})"),
            ErrorCode::kCorruptData)
      << "an unknown character without an unknown piece";
}

TEST(Tokenizer, PanicsOfTheCrateBecomeErrors) {
  // A merge shorter than the prefix it should begin with makes the crate's builder panic.
  const std::string json = R"({"version": "1.0", "model": {"type": "BPE",
    "continuing_subword_prefix": "####", "vocab": {"a": 0, "b": 1}, "merges": ["a b"]}})";
  EXPECT_EQ(error_of_json(json), ErrorCode::kCorruptData);
}

TEST(Tokenizer, ReadsOtherModelKinds) {
  const Tokenizer words = Tokenizer::from_json(R"({"version": "1.0",
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "model": {"type": "WordLevel", "unk_token": "?", "vocab": {"?": 0, "sea": 1, "sky": 2}}})");
  EXPECT_EQ(words.encode("sky mud sea").ids, (std::vector<int64_t>{2, 0, 1}));
  EXPECT_EQ(words.special().unk, 0);
  const Tokenizer pieces = Tokenizer::from_json(R"({"version": "1.0",
    "pre_tokenizer": {"type": "WhitespaceSplit"}, "decoder": {"type": "WordPiece", "prefix": "##",
    "cleanup": false}, "model": {"type": "WordPiece", "unk_token": "?",
    "continuing_subword_prefix": "##", "max_input_chars_per_word": 100,
    "vocab": {"?": 0, "sun": 1, "##set": 2}}})");
  EXPECT_EQ(pieces.encode("sunset sun").ids, (std::vector<int64_t>{1, 2, 1}));
  EXPECT_EQ(pieces.decode({1, 2, 1}), "sunset sun");
}

TEST(Tokenizer, TruncationAndPaddingOfTheFileAreLeftOut) {
  const Tokenizer tokenizer = Tokenizer::from_json(R"({"version": "1.0",
    "truncation": {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 9}, "direction": "Right", "pad_to_multiple_of": null,
                "pad_id": 0, "pad_type_id": 0, "pad_token": "a"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}})");
  EXPECT_EQ(tokenizer.encode("ab").ids, (std::vector<int64_t>{0, 1}));
}

TEST(Tokenizer, VocabulariesWithHolesKeepTheirIds) {
  const Tokenizer tokenizer = Tokenizer::from_json(R"({"version": "1.0",
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 5}, "merges": []}})");
  EXPECT_EQ(tokenizer.vocab_size(), 6);
  EXPECT_EQ(tokenizer.token(5), "b");
  EXPECT_EQ(tokenizer.token(3), "");
  EXPECT_EQ(tokenizer.encode("ab").tokens, (std::vector<std::string>{"a", "b"}));
}

}  // namespace
}  // namespace weir
