#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"
#include "tests/text/gpt2_folder.h"

namespace weir {
namespace {

TEST(TokenizerGolden, FolderWithTokenizerJson) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  expect_cases(tokenizer, golden_file("smollm2.json"));
  EXPECT_EQ(tokenizer.vocab_size(), 49152);
  EXPECT_EQ(tokenizer.special().bos, 1);
  EXPECT_EQ(tokenizer.special().eos, 2);
  EXPECT_EQ(tokenizer.special().pad, 2);
  EXPECT_EQ(tokenizer.special().unk, 0);
  EXPECT_EQ(tokenizer.special().end_of_generation, std::vector<int64_t>{2});
}

TEST(TokenizerGolden, BatchEqualsOneByOne) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  const nlohmann::json golden = io::read_json(golden_file("smollm2.json"));
  std::vector<std::string> texts;
  for (const auto& expected : golden["cases"]) texts.push_back(expected["text"]);
  const std::vector<Encoding> encodings = tokenizer.encode_batch(texts, false);
  const IdLists lists = tokenizer.encode_ids({texts.begin(), texts.end()});
  ASSERT_EQ(lists.ends.size(), texts.size());
  ASSERT_EQ(encodings.size(), texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    const nlohmann::json& expected = golden["cases"][i];
    EXPECT_EQ(encodings[i].ids, expected["ids"].get<std::vector<int64_t>>());
    const auto begin = lists.ids.begin() + static_cast<int64_t>(i == 0 ? 0 : lists.ends[i - 1]);
    const auto end = lists.ids.begin() + static_cast<int64_t>(lists.ends[i]);
    EXPECT_EQ(std::vector<int64_t>(begin, end), encodings[i].ids);
    EXPECT_EQ(encodings[i].tokens, expected["tokens"].get<std::vector<std::string>>());
    EXPECT_EQ(pairs_of(encodings[i].offsets),
              expected["offsets"].get<std::vector<std::vector<int64_t>>>());
  }
  EXPECT_TRUE(tokenizer.encode_batch({}).empty());
  EXPECT_TRUE(tokenizer.encode_ids({}).ids.empty());
}

TEST(TokenizerGolden, VocabAndMerges) {
  const io::TemporaryFolder folder;
  const auto vocab = folder.write("vocab.json", Gpt2Vocabulary().json());
  const Tokenizer tokenizer =
      Tokenizer::from_vocab_and_merges(vocab, golden_file("gpt2/vocab.bpe"));
  expect_cases(tokenizer, golden_file("gpt2.json"));
  expect_vectors(tokenizer, golden_file("vectors/gpt-2"));
  EXPECT_EQ(tokenizer.special().eos, 50256);
  EXPECT_TRUE(tokenizer.is_special(50256));
}

TEST(TokenizerGolden, FolderWithOpenAiNames) {
  const io::TemporaryFolder folder;
  folder.write("encoder.json", Gpt2Vocabulary().json());
  folder.write("vocab.bpe", read_text(golden_file("gpt2/vocab.bpe")));
  folder.write("tokenizer_config.json",
               R"({"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"})");
  const Tokenizer tokenizer = Tokenizer::from_folder(folder.path());
  expect_cases(tokenizer, golden_file("gpt2.json"));
  EXPECT_EQ(tokenizer.special().eos, 50256);
  EXPECT_FALSE(tokenizer.special().bos.has_value());
}

TEST(TokenizerGolden, Qwen2FolderWithoutTokenizerJson) {
  if (!std::filesystem::exists(shared_file("tokenizers/qwen2"))) GTEST_SKIP() << "no shared data";
  const io::TemporaryFolder folder;
  for (const char* name : {"vocab.json", "merges.txt"}) {
    std::filesystem::copy(shared_file("tokenizers/qwen2") / name, folder / name);
  }
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "Qwen2Tokenizer",
    "add_bos_token": false, "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>",
    "added_tokens_decoder": {"151643": {"content": "<|endoftext|>", "special": true},
                             "151644": {"content": "<|im_start|>", "special": true},
                             "151645": {"content": "<|im_end|>", "special": true}}})");
  const Tokenizer tokenizer = Tokenizer::from_folder(folder.path());
  expect_cases(tokenizer, shared_file("golden/tokenizers/qwen2.json"));
  expect_vectors(tokenizer, shared_file("tokenizers/vectors/ggml-vocab-qwen2.gguf"));
  EXPECT_EQ(tokenizer.special().eos, 151645);
  EXPECT_EQ(tokenizer.vocab_size(), 151646);
}

TEST(TokenizerGolden, GptNeoXTokenizerJson) {
  const auto file = shared_file("tokenizers/gpt_neox/20B_tokenizer.json");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no shared data";
  expect_cases(Tokenizer::from_json(read_text(file)),
               shared_file("golden/tokenizers/gpt_neox.json"));
}

}  // namespace
}  // namespace weir
