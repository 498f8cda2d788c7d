#include "weir/text/word_cuts.h"

#include "tests/text/golden_cases.h"
#include "weir/base/draw.h"

namespace weir::text {
namespace {

// Made-up words of several alphabets that end in all sorts of ways, and special tokens.
std::string prose(size_t n_bytes, uint64_t seed) {
  Draw draw(seed);
  const std::vector<std::string> words = {
      "the",      "Of", "isn't",         "3.14",   "naïve", "日本語", "ёж",   "I'll",
      "low",      "er", "<|endoftext|>", "est",    "2024",  "—",      "(so)", "END",
      "x\u00a0y", "A",  "\u2028",        "A\u0301"};
  const std::vector<std::string> ends = {".\n", "\n",    "\n\n", " \n", "!\n  ", "\r\n", ", ", "\t",
                                         "  ",  "?\n\t", "",     "'",   "' ",    "\n'",  "\""};
  std::string text;
  while (text.size() < n_bytes) {
    text += draw.pick(words);
    text += draw.below(4) == 0 ? draw.pick(ends) : " ";
  }
  return text;
}

std::vector<int64_t> ids(const HfTokenizer& tokenizer, const std::string& text, bool by_words) {
  const IdLists lists = tokenizer.encode_ids({text, "", text}, by_words);
  EXPECT_EQ(lists.ends[0], lists.ends[1]);
  EXPECT_EQ(2 * lists.ends[0], lists.ends[2]);
  return {lists.ids.begin(), lists.ids.begin() + static_cast<int64_t>(lists.ends[0])};
}

std::vector<std::filesystem::path> folders_of_tokenizers() {
  std::vector<std::filesystem::path> folders;
  for (const auto& root : {golden_file(""), shared_file("tokenizers")}) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(root, none)) {
      if (Tokenizer::is_in_folder(entry.path())) folders.push_back(entry.path());
    }
  }
  return folders;
}

// Where cuts are allowed they must change nothing, in text of every kind.
TEST(WordCuts, ChangeNoIdWhereTheyAreAllowed) {
  const std::string text = prose(100000, 1);
  int n_allowed = 0;
  for (const auto& folder : folders_of_tokenizers()) {
    const std::string json = Tokenizer::from_folder(folder).to_json();
    const HfTokenizer tokenizer = HfTokenizer::from_json(json, folder);
    const std::vector<int64_t> expected = tokenizer.encode(text, false).ids;
    EXPECT_TRUE(ids(tokenizer, text, false) == expected) << folder;
    if (!allows_word_cuts(tokenizer, tokenizer.vocabulary())) continue;
    ++n_allowed;
    EXPECT_TRUE(ids(tokenizer, text, true) == expected) << folder;
  }
  EXPECT_GT(n_allowed, 0);
}

HfTokenizer trained() {
  size_t n = 0;
  const std::string text = prose(100000, 2);
  return HfTokenizer::train([&](std::string* next) { return *next = text, n++ == 0; },
                            {600, 2, {}});
}

TEST(WordCuts, AreAllowedForATrainedTokenizer) {
  const HfTokenizer tokenizer = trained();
  EXPECT_TRUE(allows_word_cuts(tokenizer, tokenizer.vocabulary()));
  const std::string text = prose(200000, 3);
  EXPECT_TRUE(ids(tokenizer, text, true) == tokenizer.encode(text, false).ids);
}

// A token across a cut, an added token that takes the space after it, a mark before each text.
TEST(WordCuts, AreRefusedWhereTheyWouldShow) {
  const auto allowed = [](const nlohmann::json& changed) {
    const auto tokenizer = HfTokenizer::from_json(changed.dump(), "changed");
    return allows_word_cuts(tokenizer, tokenizer.vocabulary());
  };
  nlohmann::json json = nlohmann::json::parse(trained().to_json());
  EXPECT_TRUE(allowed(json));
  const size_t next = json["model"]["vocab"].size();
  nlohmann::json across = json;
  across["model"]["vocab"]["oĠt"] = next;
  EXPECT_FALSE(allowed(across));
  nlohmann::json greedy = json;
  greedy["added_tokens"].push_back({{"id", next},
                                    {"content", "<mask>"},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", true},
                                    {"normalized", false},
                                    {"special", true}});
  EXPECT_FALSE(allowed(greedy));
  nlohmann::json prefixed = json;
  prefixed["pre_tokenizer"]["add_prefix_space"] = true;
  EXPECT_FALSE(allowed(prefixed));
  const Tokenizer llama = Tokenizer::from_llama2c(golden_file("llama2c/tok512.bin"), 512);
  EXPECT_FALSE(allowed(nlohmann::json::parse(llama.to_json())));
}

}  // namespace
}  // namespace weir::text
