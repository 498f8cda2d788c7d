#include "tests/io/corruption.h"
#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"
#include "weir/io/json.h"

namespace weir {
namespace {

using io::error_of;
using io::TemporaryFolder;

const char* const kTokenizerJson = R"({"version": "1.0",
  "added_tokens": [{"id": 0, "content": "<s>", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true}],
  "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
  "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
  "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true},
  "model": {"type": "BPE", "merges": ["a b"],
            "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4, "Ġ": 5}}})";

// A folder with the tokenizer above and one more file.
Tokenizer with_file(std::string_view name, std::string_view content) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kTokenizerJson);
  folder.write(name, content);
  return Tokenizer::from_folder(folder.path());
}
Tokenizer with_config(std::string_view config) {
  return with_file("tokenizer_config.json", config);
}

TEST(TokenizerFolder, EmptyFolderIsNotFound) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { Tokenizer::from_folder(folder.path()); }), ErrorCode::kNotFound);
  EXPECT_EQ(error_of([&] { Tokenizer::from_folder(folder / "none"); }), ErrorCode::kNotFound);
}

// A folder without a tokenizer.json, of the same vocabulary.
Tokenizer with_merges(std::string_view config) {
  const TemporaryFolder folder;
  folder.write("vocab.json", R"({"<s>": 0, "</s>": 1, "a": 2, "b": 3, "ab": 4, "Ġ": 5})");
  folder.write("merges.txt", "#version: 0.2\na b\n");
  folder.write("tokenizer_config.json", config);
  return Tokenizer::from_folder(folder.path());
}

// What transformers makes of the same folders (tests/golden/frames/make_frames.py).
TEST(TokenizerFolder, PutsBosAndEosWhereTheReferenceDoes) {
  const nlohmann::json golden = io::read_json(std::string(WEIR_GOLDEN_DIR) + "/frames/frames.json");
  ASSERT_GT(golden.at("cases").size(), 200u);
  for (const nlohmann::json& expected : golden.at("cases")) {
    const TemporaryFolder folder;
    folder.write("tokenizer_config.json", expected.at("config").dump());
    if (expected.at("file").is_null()) {
      folder.write("vocab.json", golden.at("tokenizers").at("none").at("model").at("vocab").dump());
      folder.write("merges.txt", "#version: 0.2\na b\n");
    } else {
      const auto& file = golden.at("tokenizers").at(expected.at("file").get<std::string>());
      folder.write("tokenizer.json", file.dump());
    }
    const auto ids = Tokenizer::from_folder(folder.path()).encode("ab").ids;
    EXPECT_EQ(ids.front() == 1, expected.at("bos").get<bool>()) << expected;
    EXPECT_EQ(ids.back() == 2, expected.at("eos").get<bool>()) << expected;
  }
}

TEST(TokenizerFolder, StatedBosAndEosAreAdded) {
  const Tokenizer tokenizer = with_merges(R"({"add_bos_token": true, "add_eos_token": true,
    "bos_token": {"content": "<s>", "special": true}, "eos_token": "</s>"})");
  const Encoding encoding = tokenizer.encode(" ab");
  EXPECT_EQ(encoding.ids, (std::vector<int64_t>{0, 5, 4, 1}));
  EXPECT_EQ(pairs_of(encoding.offsets),
            (std::vector<std::vector<int64_t>>{{0, 0}, {0, 1}, {1, 3}, {0, 0}}))
      << "as transformers, which does not trim those of a vocab.json";
  EXPECT_EQ(tokenizer.encode(" ab", false).ids, (std::vector<int64_t>{5, 4}));
}

TEST(TokenizerFolder, ASavedTokenizerKeepsWhatItAdds) {
  const TemporaryFolder folder;
  with_merges(R"({"add_bos_token": true, "bos_token": "<s>"})").save(folder.path());
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).encode("a").ids, (std::vector<int64_t>{0, 2}));
}

TEST(TokenizerFolder, NamedTokensAreSpecial) {
  const Tokenizer tokenizer = with_file("special_tokens_map.json", R"({"eos_token": "</s>"})");
  EXPECT_EQ(tokenizer.special().eos, 1);
  EXPECT_TRUE(tokenizer.is_special(1));
  EXPECT_EQ(tokenizer.encode("a</s>", false).ids, (std::vector<int64_t>{2, 1}));
}

TEST(TokenizerFolder, AddedTokensOfTheConfigAreAdded) {
  const Tokenizer tokenizer = with_config(R"({"added_tokens_decoder": {
    "6": {"content": "<tool>", "special": false}, "0": {"content": "<s>", "special": true}}})");
  EXPECT_EQ(tokenizer.encode("a<tool>b", false).ids, (std::vector<int64_t>{2, 6, 3}));
  EXPECT_EQ(tokenizer.vocab_size(), 7);
  EXPECT_FALSE(tokenizer.is_special(6));
}

TEST(TokenizerFolder, AddedTokenWithAnImpossibleIdIsCorrupt) {
  const auto code = [](std::string_view config) { return error_of([&] { with_config(config); }); };
  EXPECT_EQ(code(R"({"added_tokens_decoder": {"99": {"content": "<t>"}}})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(code(R"({"added_tokens_decoder": {"x": {"content": "<t>"}}})"),
            ErrorCode::kCorruptData);
  EXPECT_EQ(code(R"({"added_tokens_decoder": [1]})"), ErrorCode::kCorruptData);
  EXPECT_EQ(error_of([] { with_merges(R"({"add_bos_token": true})"); }), ErrorCode::kCorruptData);
  EXPECT_EQ(code(R"({"bos_token": 3})"), ErrorCode::kCorruptData);
  EXPECT_EQ(code("[]"), ErrorCode::kCorruptData);
}

TEST(TokenizerFolder, GenerationConfigNamesTheEnds) {
  const Tokenizer tokenizer =
      with_file("generation_config.json", R"({"eos_token_id": [1, 4], "bos_token_id": 0})");
  EXPECT_EQ(tokenizer.special().end_of_generation, (std::vector<int64_t>{1, 4}));
  EXPECT_EQ(tokenizer.special().eos, 1);
  EXPECT_EQ(tokenizer.special().bos, 0);
}

TEST(TokenizerFolder, EveryEndOfGenerationAndTheOtherSettingsAreSaved) {
  const TemporaryFolder folder;
  with_file("generation_config.json", R"({"eos_token_id": [1, 4], "temperature": 0.6})")
      .save(folder.path());
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).special().end_of_generation,
            (std::vector<int64_t>{1, 4}));
  const nlohmann::json saved = io::read_json(folder / "generation_config.json");
  EXPECT_EQ(saved, nlohmann::json::parse(R"({"eos_token_id": [1, 4], "temperature": 0.6})"));
}

TEST(TokenizerFolder, OpenAisNamesOfVocabularyAndMergesAreFound) {
  const TemporaryFolder folder;
  EXPECT_FALSE(Tokenizer::is_in_folder(folder.path()));
  folder.write("encoder.json", R"({"a": 0, "b": 1, "ab": 2})");
  EXPECT_FALSE(Tokenizer::is_in_folder(folder.path()));
  folder.write("vocab.bpe", "#version: 0.2\na b\n");
  EXPECT_TRUE(Tokenizer::is_in_folder(folder.path()));
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).encode("ab").ids, (std::vector<int64_t>{2}));
}

TEST(TokenizerFolder, TemplateFileWinsOverTheConfig) {
  const TemporaryFolder folder;
  folder.write("tokenizer.json", kTokenizerJson);
  folder.write("tokenizer_config.json", R"({"chat_template": [
    {"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]})");
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).chat_template(), "plain");
  folder.write("chat_template.jinja", "file");
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).chat_template(), "file");
}

TEST(TokenizerFolder, UnknownTokenizerClassIsRefused) {
  const TemporaryFolder folder;
  folder.write("vocab.json", R"({"a": 0})");
  folder.write("merges.txt", "#version: 0.2\n");
  folder.write("tokenizer_config.json", R"({"tokenizer_class": "CLIPTokenizerFast"})");
  std::string message;
  EXPECT_EQ(error_of([&] { Tokenizer::from_folder(folder.path()); }, &message),
            ErrorCode::kUnsupported);
  EXPECT_NE(message.find("'CLIPTokenizer'"), std::string::npos) << message;
}

TEST(TokenizerFolder, PrefixSpaceIsAddedWhenTheConfigSaysSo) {
  const TemporaryFolder folder;
  folder.write("vocab.json", R"({"a": 0, "Ġ": 1, "Ġa": 2})");
  folder.write("merges.txt", "#version: 0.2\r\nĠ a\r\n");
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).encode("a").ids, (std::vector<int64_t>{0}));
  folder.write("tokenizer_config.json", R"({"add_prefix_space": true})");
  EXPECT_EQ(Tokenizer::from_folder(folder.path()).encode("a").ids, (std::vector<int64_t>{2}));
}

TEST(TokenizerFolder, SavedTokenizerIsTheSame) {
  const Tokenizer tokenizer = Tokenizer::from_folder(golden_file("smollm2"));
  const TemporaryFolder folder;
  tokenizer.save(folder / "saved");
  const Tokenizer loaded = Tokenizer::from_folder(folder / "saved");
  expect_cases(loaded, golden_file("smollm2.json"));
  EXPECT_EQ(loaded.special().bos, tokenizer.special().bos);
  EXPECT_EQ(loaded.special().eos, tokenizer.special().eos);
  EXPECT_EQ(loaded.special().pad, tokenizer.special().pad);
  EXPECT_EQ(loaded.special().unk, tokenizer.special().unk);
  EXPECT_EQ(loaded.chat_template(), tokenizer.chat_template());
  EXPECT_EQ(loaded.to_json(), tokenizer.to_json());
}

}  // namespace
}  // namespace weir
