#include "tests/io/corruption.h"
#include "tests/support/real_models.h"
#include "tests/text/gguf_builder.h"
#include "tests/text/golden_cases.h"
#include "tests/text/gpt2_folder.h"
#include "weir/text/sentencepiece.h"

namespace weir {
namespace {

using io::error_of;

// A vocabulary of letters: enough to see rules at work.
GgufBuilder small_byte_level(std::string_view pre) {
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", pre);
  builder.add("tokenizer.ggml.tokens", std::vector<std::string>{"<s>", "</s>", "<|eot_id|>", "a",
                                                                "b", "Ġ", "ab", "1", "<x>", "Ġb"});
  builder.add("tokenizer.ggml.token_type", std::vector<int32_t>{3, 3, 3, 1, 1, 1, 1, 1, 4, 1});
  builder.add("tokenizer.ggml.merges", std::vector<std::string>{"a b", "Ġ b"});
  builder.add("tokenizer.ggml.bos_token_id", uint32_t{0});
  builder.add("tokenizer.ggml.eos_token_id", uint32_t{1});
  return builder;
}

TEST(GgufVocabulary, ByteLevelWithDigitSplitMatchesTheReference) {
  const nlohmann::json source = io::read_json(golden_file("smollm2/tokenizer.json"));
  std::vector<std::string> tokens(49152);
  for (const auto& [token, id] : source["model"]["vocab"].items()) tokens[id] = token;
  std::vector<int32_t> kinds(tokens.size(), 1);
  for (const auto& token : source["added_tokens"]) kinds[token["id"].get<size_t>()] = 3;
  std::vector<std::string> merges;
  for (const auto& merge : source["model"]["merges"]) {
    merges.push_back(merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  }
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", std::string_view("smollm"));
  builder.add("tokenizer.ggml.tokens", tokens);
  builder.add("tokenizer.ggml.token_type", kinds);
  builder.add("tokenizer.ggml.merges", merges);
  expect_cases(Tokenizer::from_gguf(builder.file()), golden_file("smollm2.json"));
}

TEST(GgufVocabulary, Gpt2MatchesTheReference) {
  const Gpt2Vocabulary vocabulary;
  std::vector<int32_t> kinds(vocabulary.tokens.size(), 1);
  kinds.back() = 3;
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", std::string_view("gpt-2"));
  builder.add("tokenizer.ggml.tokens", vocabulary.tokens);
  builder.add("tokenizer.ggml.token_type", kinds);
  builder.add("tokenizer.ggml.merges", vocabulary.merges);
  const Tokenizer tokenizer = Tokenizer::from_gguf(builder.file());
  expect_cases(tokenizer, golden_file("gpt2.json"));
  expect_vectors(tokenizer, golden_file("vectors/gpt-2"));
}

TEST(GgufVocabulary, LlamaKindMatchesTheVectors) {
  const auto path = shared_file("tokenizers/llama2/tokenizer.model");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no shared data";
  const std::string bytes = read_text(path);
  std::vector<std::string> tokens;
  std::vector<float> scores;
  std::vector<int32_t> kinds;
  for (const text::Piece& piece : text::parse_sentencepiece(bytes, "model").pieces) {
    tokens.emplace_back(piece.text);
    scores.push_back(piece.score);
    kinds.push_back(static_cast<int32_t>(piece.kind));
  }
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("llama"));
  builder.add("tokenizer.ggml.tokens", tokens);
  builder.add("tokenizer.ggml.scores", scores);
  builder.add("tokenizer.ggml.token_type", kinds);
  const Tokenizer tokenizer = Tokenizer::from_gguf(builder.file());
  expect_vectors(tokenizer, shared_file("tokenizers/vectors/ggml-vocab-llama-spm.gguf"));
  EXPECT_EQ(tokenizer.encode("hi").ids.front(), 1);
}

TEST(GgufVocabulary, DefaultModelMatchesTheReference) {
  const auto path = testing::default_model();
  if (!path) GTEST_SKIP() << "weir models pull smollm2-135m gets the model";
  expect_cases(Tokenizer::from_gguf(io::read_gguf(*path)), golden_file("smollm2.json"));
}

TEST(GgufVocabulary, SpecialTokensAndRulesComeFromTheFile) {
  GgufBuilder builder = small_byte_level("gpt-2");
  builder.add("tokenizer.ggml.add_bos_token", true);
  builder.add("tokenizer.ggml.add_eos_token", true);
  builder.add("tokenizer.ggml.padding_token_id", uint32_t{4294967295U});
  builder.add("tokenizer.chat_template", std::string_view("{{ bos_token }}"));
  const Tokenizer tokenizer = Tokenizer::from_gguf(builder.file());
  EXPECT_EQ(tokenizer.encode("ab").ids, (std::vector<int64_t>{0, 6, 1}));
  EXPECT_EQ(tokenizer.encode("ab", false).ids, (std::vector<int64_t>{6}));
  EXPECT_EQ(tokenizer.encode("</s><x>b", false).ids, (std::vector<int64_t>{1, 8, 4}));
  EXPECT_TRUE(tokenizer.is_special(1));
  EXPECT_FALSE(tokenizer.is_special(8));
  EXPECT_FALSE(tokenizer.special().pad.has_value());
  EXPECT_EQ(tokenizer.special().end_of_generation, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(tokenizer.chat_template(), "{{ bos_token }}");
  EXPECT_EQ(tokenizer.decode({0, 3, 9, 1}, true), "a b");
}

TEST(GgufVocabulary, EveryEndOfGenerationSurvivesSaving) {
  const Tokenizer tokenizer = Tokenizer::from_gguf(small_byte_level("gpt-2").file());
  const io::TemporaryFolder folder;
  tokenizer.save(folder.path());
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).special().end_of_generation,
            (std::vector<int64_t>{1, 2}));
}

TEST(GgufVocabulary, EveryPreTokenizerIsAccepted) {
  for (const char* pre :
       {"gpt-2",          "default",   "llama-bpe", "llama3",    "smaug",     "smaug-bpe",
        "smollm",         "starcoder", "refact",    "command-r", "qwen2",     "deepseek-llm",
        "deepseek-coder", "falcon",    "mpt",       "olmo",      "stablelm2", "gpt-neox",
        "tekken",         "gpt-4o",    "bloom",     "viking"}) {
    const Tokenizer tokenizer = Tokenizer::from_gguf(small_byte_level(pre).file());
    EXPECT_EQ(tokenizer.decode(tokenizer.encode("ab b", false).ids), "ab b") << pre;
  }
}

TEST(GgufVocabulary, UnknownPreTokenizerIsRefusedWithTheList) {
  std::string message;
  const auto work = [] { Tokenizer::from_gguf(small_byte_level("martian").file()); };
  EXPECT_EQ(error_of(work, &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("'martian'"), std::string::npos) << message;
  EXPECT_NE(message.find("tekken"), std::string::npos) << message;
}

TEST(GgufVocabulary, OtherKindsAreRefused) {
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("bert"));
  const auto work = [&] { Tokenizer::from_gguf(builder.file()); };
  EXPECT_EQ(error_of(work), ErrorCode::kUnsupported);
}

TEST(GgufVocabulary, ContradictionsAreCorrupt) {
  const std::vector<std::string> tokens = {"<unk>", "a"};
  const auto code = [&](auto change) {
    GgufBuilder builder;
    builder.add("tokenizer.ggml.model", std::string_view("llama"));
    builder.add("tokenizer.ggml.tokens", tokens);
    change(&builder);
    return error_of([&] { Tokenizer::from_gguf(builder.file()); });
  };
  EXPECT_EQ(code([](GgufBuilder*) {}), ErrorCode::kCorruptData);
  EXPECT_EQ(code([](GgufBuilder* builder) {
              builder->add("tokenizer.ggml.scores", std::vector<float>{0});
            }),
            ErrorCode::kCorruptData);
  EXPECT_EQ(code([](GgufBuilder* builder) {
              builder->add("tokenizer.ggml.scores", std::vector<float>{0, NAN});
            }),
            ErrorCode::kCorruptData);
  EXPECT_EQ(code([](GgufBuilder* builder) {
              builder->add("tokenizer.ggml.scores", std::vector<float>{0, 0});
              builder->add("tokenizer.ggml.token_type", std::vector<int32_t>{2, 9});
            }),
            ErrorCode::kCorruptData);
}

TEST(GgufVocabulary, MergesOfTokensThatAreNotThereAreCorrupt) {
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", std::string_view("gpt-2"));
  builder.add("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b"});
  builder.add("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
  EXPECT_EQ(error_of([&] { Tokenizer::from_gguf(builder.file()); }), ErrorCode::kCorruptData);
}

}  // namespace
}  // namespace weir
