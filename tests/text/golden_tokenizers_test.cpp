// The golden topic `tokenizers`: every NAME.json against the vocabulary NAME, exactly. Vocabularies
// that may not be distributed are not everywhere; cases of those that are absent are skipped.
#include <regex>

#include "tests/io/temporary_folder.h"
#include "tests/support/golden.h"
#include "tests/text/golden_cases.h"
#include "tests/text/gpt2_folder.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

/// Beside the case, in tokenizers/ next to the golden folder, or where further data and ours lie.
std::optional<fs::path> vocabulary_folder(const std::string& name) {
  const fs::path topic = golden_topic("tokenizers");
  for (const fs::path& folder : {topic / name, topic / "../../tokenizers" / name,
                                 shared_file("tokenizers") / name, golden_file(name)}) {
    if (fs::exists(folder)) return folder;
  }
  return std::nullopt;
}

std::optional<fs::path> file_that_ends(const fs::path& folder, const std::string& end) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename();
    if (name.size() >= end.size() && name.compare(name.size() - end.size(), end.size(), end) == 0) {
      return entry.path();
    }
  }
  return std::nullopt;
}

/// The files say all but class and special tokens, which the case tells as it was made:
/// "transformers Qwen2Tokenizer(vocab.json, merges.txt) + <|endoftext|> 151643, ...".
std::string config_of(const std::string& made_with) {
  nlohmann::json config = {{"add_bos_token", false}};
  std::smatch match;
  if (std::regex_search(made_with, match, std::regex("transformers (\\w+)\\("))) {
    config["tokenizer_class"] = match[1].str();
    if (match[1] == "GPT2Tokenizer") config["eos_token"] = "<|endoftext|>";  // in no file of it
  }
  const std::regex token("(<\\|\\S+\\|>) (\\d+)");
  for (std::sregex_iterator it(made_with.begin(), made_with.end(), token), end; it != end; ++it) {
    config["added_tokens_decoder"][(*it)[2].str()] = {{"content", (*it)[1].str()},
                                                      {"special", true}};
  }
  return config.dump();
}

Tokenizer read_vocabulary(const fs::path& folder, const std::string& made_with) {
  if (fs::exists(folder / "tokenizer.json")) return Tokenizer::from_folder(folder);
  if (const auto file = file_that_ends(folder, "tokenizer.json")) {
    return Tokenizer::from_json(read_text(*file));
  }
  if (const auto file = file_that_ends(folder, ".model")) {
    return Tokenizer::from_sentencepiece(*file);
  }
  const io::TemporaryFolder whole;
  for (const auto& entry : fs::directory_iterator(folder)) {
    whole.write(entry.path().filename().string(), read_text(entry.path()));
  }
  if (fs::exists(folder / "vocab.bpe") && !fs::exists(folder / "encoder.json")) {
    whole.write("encoder.json", Gpt2Vocabulary().json());
  }
  whole.write("tokenizer_config.json", config_of(made_with));
  return Tokenizer::from_folder(whole.path());
}

/// sentencepiece does not look for special tokens in a text; Weir does.
bool spells_a_special_token(const Tokenizer& tokenizer, const std::string& text) {
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_special(id) && text.find(tokenizer.token(id)) != std::string::npos)
      return true;
  }
  return false;
}

class GoldenTokenizers : public testing::TestWithParam<std::string> {};

TEST_P(GoldenTokenizers, MatchOnEveryText) {
  const nlohmann::json golden = io::read_json(golden_topic("tokenizers") / (GetParam() + ".json"));
  const auto folder = vocabulary_folder(GetParam());
  if (!folder) GTEST_SKIP() << "no vocabulary " << GetParam();
  const auto made_with = golden["made_with"].get<std::string>();
  const Tokenizer tokenizer = read_vocabulary(*folder, made_with);
  const bool is_sentencepiece = made_with.rfind("sentencepiece", 0) == 0;
  int n_compared = 0;
  for (const nlohmann::json& expected : golden["cases"]) {
    if (is_sentencepiece && spells_a_special_token(tokenizer, expected["text"])) continue;
    expect_case(tokenizer, expected);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST(GoldenTokenizersFolder, HasACaseWhoseVocabularyIsHere) {
  int n_cases = 0;
  for (const std::string& name : golden_files("tokenizers", ".json")) {
    n_cases += vocabulary_folder(name) ? 1 : 0;
  }
  EXPECT_GT(n_cases, 0) << golden_topic("tokenizers");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTokenizers);
INSTANTIATE_TEST_SUITE_P(Vocabularies, GoldenTokenizers,
                         testing::ValuesIn(golden_files("tokenizers", ".json")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
