#include "weir/text/llama2c_vocabulary.h"

#include "tests/io/corruption.h"
#include "tests/text/golden_cases.h"

namespace weir {
namespace {

using io::error_of;

TEST(Llama2cVocabulary, IdsAreThoseOfItsOwnProgram) {
  const Tokenizer tokenizer = Tokenizer::from_llama2c(golden_file("llama2c/tok512.bin"), 512);
  const nlohmann::json golden =
      io::read_json(std::filesystem::path(WEIR_GOLDEN_DIR) / "llama2c/ref_logits.json");
  const auto prompt = golden["prompt"].get<std::string>();
  const auto ids = golden["tokens"].get<std::vector<int64_t>>();
  EXPECT_EQ(tokenizer.encode(prompt).ids, ids);
  EXPECT_EQ(tokenizer.decode(ids, true), prompt);
  EXPECT_EQ(tokenizer.special().bos, 1);
  EXPECT_EQ(tokenizer.special().eos, 2);
  EXPECT_EQ(tokenizer.vocab_size(), 512);
  const std::string unseen = "日本 \n\tÉ";
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(unseen, false).ids), unseen) << "byte fallback";
}

TEST(Llama2cVocabulary, WithoutBytePiecesUnknownCharactersAreUnknown) {
  const Tokenizer tokenizer = Tokenizer::from_llama2c(golden_file("llama2c/tok105.bin"), 105);
  const nlohmann::json golden = io::read_json(golden_file("llama2c/tok105.json"));
  EXPECT_EQ(tokenizer.encode(golden["prompt"].get<std::string>()).ids,
            golden["tokens"].get<std::vector<int64_t>>());
  EXPECT_EQ(tokenizer.encode("日本", false).ids, (std::vector<int64_t>{3, 0}));
}

TEST(Llama2cVocabulary, Llama2MatchesTheReference) {
  const auto path = shared_file("tokenizers/llama2/tokenizer.bin");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no shared data";
  expect_vectors(Tokenizer::from_llama2c(path, 32000),
                 shared_file("tokenizers/vectors/ggml-vocab-llama-spm.gguf"));
}

TEST(Llama2cVocabulary, AnotherNumberOfPiecesIsCorrupt) {
  for (const int64_t vocab_size : {104, 106, 1 << 20}) {
    const auto work = [&] {
      Tokenizer::from_llama2c(golden_file("llama2c/tok105.bin"), vocab_size);
    };
    EXPECT_EQ(error_of(work), ErrorCode::kCorruptData) << vocab_size;
  }
}

TEST(Llama2cVocabulary, DamagedFilesAreRefused) {
  const std::string valid = read_text(golden_file("llama2c/tok105.bin"));
  io::expect_survives_damage(
      [](const std::shared_ptr<const io::MappedFile>& file) {
        text::parse_llama2c_vocabulary(file->bytes(), 105, file->path());
      },
      valid, valid.size());
}

}  // namespace
}  // namespace weir
