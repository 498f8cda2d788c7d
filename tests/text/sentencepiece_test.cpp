#include "weir/text/sentencepiece.h"

#include "tests/io/corruption.h"
#include "tests/text/golden_cases.h"
#include "weir/text/score_vocabulary.h"

namespace weir {
namespace {

using io::error_of;

const char* const kSpecialInText = "<s>[INST] hi [/INST]</s> <unk> <0x0A>";

// sentencepiece itself does not look for special tokens in a text; this tokenizer does.
void expect_cases_without_specials(const Tokenizer& tokenizer, const std::filesystem::path& file) {
  const nlohmann::json golden = io::read_json(file);
  ASSERT_FALSE(golden["cases"].empty()) << file;
  for (const nlohmann::json& expected : golden["cases"]) {
    if (expected["text"] != kSpecialInText) expect_case(tokenizer, expected);
  }
}

TEST(SentencePiece, UnigramModelMatchesTheReference) {
  const Tokenizer tokenizer =
      Tokenizer::from_sentencepiece(golden_file("sentencepiece/test_model.model"));
  expect_cases_without_specials(tokenizer, golden_file("sentencepiece.json"));
  EXPECT_EQ(tokenizer.special().unk, 0);
  EXPECT_EQ(tokenizer.special().bos, 1);
  EXPECT_EQ(tokenizer.special().eos, 2);
  EXPECT_EQ(tokenizer.encode("I saw").ids, tokenizer.encode("I saw", false).ids);
}

TEST(SentencePiece, BpeModelMatchesTheReference) {
  const auto path = shared_file("tokenizers/llama2/tokenizer.model");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no shared data";
  const Tokenizer tokenizer = Tokenizer::from_sentencepiece(path);
  expect_cases_without_specials(tokenizer, shared_file("golden/tokenizers/llama2.json"));
  expect_vectors(tokenizer, shared_file("tokenizers/vectors/ggml-vocab-llama-spm.gguf"));
  const Encoding encoding = tokenizer.encode("Hello world");
  EXPECT_EQ(encoding.ids, (std::vector<int64_t>{1, 15043, 3186}));
  EXPECT_EQ(pairs_of(encoding.offsets),
            (std::vector<std::vector<int64_t>>{{0, 0}, {0, 5}, {5, 11}}));
  const Encoding special = tokenizer.encode(kSpecialInText, false);
  EXPECT_EQ(special.tokens.front(), "<s>");
  EXPECT_EQ(tokenizer.display(15043), " Hello");
  EXPECT_EQ(tokenizer.display(229), "<0xE2>");
}

TEST(SentencePiece, ModelWithoutByteFallbackKeepsUnknownCharacters) {
  const Tokenizer tokenizer = Tokenizer::from_sentencepiece(golden_file("llama2c/tok105.model"));
  const nlohmann::json golden = io::read_json(golden_file("llama2c/tok105.json"));
  EXPECT_EQ(tokenizer.encode(golden["prompt"].get<std::string>()).ids,
            golden["tokens"].get<std::vector<int64_t>>());
  EXPECT_EQ(tokenizer.encode("日本", false).ids, (std::vector<int64_t>{3, 0}));
}

TEST(SentencePiece, DamagedModelsAreRefused) {
  const std::string valid = read_text(golden_file("llama2c/tok105.model"));
  io::expect_survives_damage(
      [](const std::shared_ptr<const io::MappedFile>& file) {
        const auto model = text::parse_sentencepiece(file->bytes(), file->path());
        text::source_of(model, file->path());
      },
      valid, valid.size());
}

// One protobuf field of bytes.
std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string number_field(int number, int value) {
  return {static_cast<char>(number << 3), static_cast<char>(value)};
}
std::string piece(const std::string& text, int kind) {
  return field(1, field(1, text) + number_field(3, kind));
}
ErrorCode error_of_model(const std::string& bytes) {
  return error_of([&] { text::source_of(text::parse_sentencepiece(bytes, "model"), "model"); });
}

TEST(SentencePiece, HostileModelsAreRefused) {
  const std::string unk = piece("<unk>", 2);
  EXPECT_EQ(error_of_model(""), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(piece("a", 1)), ErrorCode::kCorruptData) << "no unknown piece";
  EXPECT_EQ(error_of_model(unk + piece("a", 1) + piece("a", 1)), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + piece("a", 7)), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + piece("", 1)), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + "\x0a\xff\xff\xff\xff\x0f"), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + std::string(12, '\xff')), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + field(3, field(2, "\xff\xff\xff\x7f"))), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of_model(unk + field(2, number_field(3, 3))), ErrorCode::kUnsupported);
  EXPECT_EQ(error_of_model(unk + piece("a", 5)), ErrorCode::kUnsupported);
}

TEST(SentencePiece, CharacterMapThatReachesOutsideIsCaught) {
  // A trie of one unit whose offset points far beyond it: only using the map shows the fault.
  const std::string map = std::string("\x04\x00\x00\x00", 4) + "\xff\xff\xff\x7f";
  const std::string bytes = piece("<unk>", 2) + piece("a", 1) + field(3, field(2, map));
  const auto work = [&] {
    const auto model = text::parse_sentencepiece(bytes, "model");
    Tokenizer::from_json(text::source_of(model, "model").json).encode("a");
  };
  EXPECT_EQ(error_of(work), ErrorCode::kCorruptData);
}

TEST(ScoreVocabulary, HigherScoresMergeFirst) {
  using text::PieceKind;
  std::vector<text::Piece> pieces = {{"<unk>", 0, PieceKind::kUnknown},
                                     {"a", -10},
                                     {"b", -10},
                                     {"c", -10},
                                     {"ab", -2},
                                     {"bc", -1}};
  text::SentencePieceRules rules;
  rules.adds_dummy_prefix = false;
  const auto ids = [&] {
    return Tokenizer::from_json(text::score_bpe_json(pieces, rules, "test")).encode("abc").ids;
  };
  EXPECT_EQ(ids(), (std::vector<int64_t>{1, 5}));
  pieces[4].score = -0.5F;
  EXPECT_EQ(ids(), (std::vector<int64_t>{4, 3}));
}

}  // namespace
}  // namespace weir
