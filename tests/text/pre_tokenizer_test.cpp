// How each tokenizer.ggml.pre cuts a text into words: against llama.cpp (tests/golden/tokenizers/
// splits.json), and against whole vocabularies where they are at hand.
#include <set>

#include "tests/text/gguf_builder.h"
#include "tests/text/golden_cases.h"

namespace weir {
namespace {

// GPT-2's character for a byte, as UTF-8.
std::string letter_of(unsigned char byte) {
  const auto is_printable = [](int code) {
    return (code >= 0x21 && code <= 0x7e) || (code >= 0xa1 && code <= 0xac) || code >= 0xae;
  };
  int code = byte;
  if (!is_printable(byte)) {
    code = 0x100;
    for (int other = 0; other < byte; ++other) code += is_printable(other) ? 0 : 1;
  }
  if (code < 0x80) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
}

// A vocabulary with every substring of `text` and every way to merge two of them: what is cut out
// as one word becomes one token.
GgufBuilder vocabulary_of_substrings(const std::string& text, const std::string& pre) {
  std::vector<std::string> letters, tokens, merges;
  for (const char byte : text) letters.push_back(letter_of(static_cast<unsigned char>(byte)));
  const auto join = [&](size_t begin, size_t end) {
    std::string word;
    for (size_t i = begin; i < end; ++i) word += letters[i];
    return word;
  };
  std::set<std::string> seen;
  for (size_t size = 1; size <= letters.size(); ++size) {
    for (size_t begin = 0; begin + size <= letters.size(); ++begin) {
      const size_t end = begin + size;
      if (!seen.insert(join(begin, end)).second) continue;
      tokens.push_back(join(begin, end));
      for (size_t middle = begin + 1; middle < end; ++middle) {
        merges.push_back(join(begin, middle) + " " + join(middle, end));
      }
    }
  }
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", std::string_view(pre));
  builder.add("tokenizer.ggml.tokens", tokens);
  builder.add("tokenizer.ggml.merges", merges);
  builder.add("tokenizer.ggml.add_bos_token", false);
  return builder;
}

TEST(PreTokenizer, CutsTheWordsThatLlamaCppCuts) {
  const nlohmann::json golden = io::read_json(golden_file("../splits/splits.json"));
  std::set<std::string> pres;
  for (const nlohmann::json& expected : golden["cases"]) {
    const auto pre = expected["pre"].get<std::string>();
    const auto text = expected["text"].get<std::string>();
    SCOPED_TRACE(pre + " " + expected["text"].dump());
    pres.insert(pre);
    const Tokenizer tokenizer = Tokenizer::from_gguf(vocabulary_of_substrings(text, pre).file());
    std::vector<std::string> words;
    for (const ByteSpan& span : tokenizer.encode(text, false).offsets) {
      words.push_back(text.substr(span.begin, span.end - span.begin));
    }
    EXPECT_EQ(words, expected["words"].get<std::vector<std::string>>());
  }
  EXPECT_EQ(pres.size(), 20U);
}

// A GGUF file with the vocabulary of a tokenizer.json, or of a vocab.json and merges.txt.
GgufBuilder with_vocabulary(std::string_view pre, const nlohmann::json& vocabulary,
                            const std::vector<std::string>& merges, const nlohmann::json& added) {
  size_t n_tokens = vocabulary.size();
  for (const auto& token : added) n_tokens = std::max(n_tokens, token["id"].get<size_t>() + 1);
  std::vector<std::string> tokens(n_tokens);
  std::vector<int32_t> kinds(n_tokens, 1);
  for (const auto& [token, id] : vocabulary.items()) tokens[id.get<size_t>()] = token;
  for (const auto& token : added) {
    tokens[token["id"].get<size_t>()] = token["content"].get<std::string>();
    kinds[token["id"].get<size_t>()] = token.value("special", true) ? 3 : 4;
  }
  GgufBuilder builder;
  builder.add("tokenizer.ggml.model", std::string_view("gpt2"));
  builder.add("tokenizer.ggml.pre", pre);
  builder.add("tokenizer.ggml.tokens", tokens);
  builder.add("tokenizer.ggml.token_type", kinds);
  builder.add("tokenizer.ggml.merges", merges);
  return builder;
}

TEST(PreTokenizer, Qwen2OverItsVocabularyMatchesTheReference) {
  const auto folder = shared_file("tokenizers/qwen2");
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no further test data";
  std::vector<std::string> merges;
  std::istringstream lines(read_text(folder / "merges.txt"));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.rfind("#version", 0) != 0) merges.push_back(line);
  }
  const auto added = nlohmann::json::parse(R"([{"id": 151643, "content": "<|endoftext|>"},
    {"id": 151644, "content": "<|im_start|>"}, {"id": 151645, "content": "<|im_end|>"}])");
  const Tokenizer tokenizer = Tokenizer::from_gguf(
      with_vocabulary("qwen2", io::read_json(folder / "vocab.json"), merges, added).file());
  expect_cases(tokenizer, shared_file("golden/tokenizers/qwen2.json"));
  expect_vectors(tokenizer, shared_file("tokenizers/vectors/ggml-vocab-qwen2.gguf"));
}

TEST(PreTokenizer, MptOverItsVocabularyMatchesTheVectors) {
  const auto file = shared_file("tokenizers/gpt_neox/20B_tokenizer.json");
  if (!std::filesystem::exists(file)) GTEST_SKIP() << "no further test data";
  const nlohmann::json source = io::read_json(file);
  const auto merges = source["model"]["merges"].get<std::vector<std::string>>();
  const auto builder =
      with_vocabulary("mpt", source["model"]["vocab"], merges, source["added_tokens"]);
  expect_vectors(Tokenizer::from_gguf(builder.file()),
                 shared_file("tokenizers/vectors/ggml-vocab-mpt.gguf"));
}

}  // namespace
}  // namespace weir
