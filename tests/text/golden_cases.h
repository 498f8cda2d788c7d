#pragma once

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weir/io/json.h"
#include "weir/text/tokenizer.h"

namespace weir {

inline std::filesystem::path golden_file(const std::string& name) {
  return std::filesystem::path(WEIR_GOLDEN_DIR) / "tokenizers" / name;
}

/// Data that may not be kept in the repository; absent in most checkouts.
inline std::filesystem::path shared_file(const std::string& name) {
  return std::filesystem::path(WEIR_TEST_DATA) / name;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file.good()) << path;
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::vector<int64_t>> pairs_of(const std::vector<ByteSpan>& spans) {
  std::vector<std::vector<int64_t>> pairs;
  for (const ByteSpan& span : spans) pairs.push_back({span.begin, span.end});
  return pairs;
}

/// Compares everything that a case states, exactly.
inline void expect_case(const Tokenizer& tokenizer, const nlohmann::json& expected) {
  const auto text = expected["text"].get<std::string>();
  SCOPED_TRACE("text: " + expected["text"].dump());
  const Encoding encoding = tokenizer.encode(text, false);
  EXPECT_EQ(encoding.ids, expected["ids"].get<std::vector<int64_t>>());
  EXPECT_EQ(encoding.tokens, expected["tokens"].get<std::vector<std::string>>());
  EXPECT_EQ(encoding.offsets.size(), encoding.ids.size());
  EXPECT_EQ(tokenizer.decode(encoding.ids), expected["decoded"].get<std::string>());
  if (expected.contains("ids_with_special")) {
    EXPECT_EQ(tokenizer.encode(text).ids, expected["ids_with_special"].get<std::vector<int64_t>>());
  }
  if (expected.contains("offsets")) {
    EXPECT_EQ(pairs_of(encoding.offsets),
              expected["offsets"].get<std::vector<std::vector<int64_t>>>());
  }
}

inline void expect_cases(const Tokenizer& tokenizer, const std::filesystem::path& file) {
  const nlohmann::json golden = io::read_json(file);
  ASSERT_FALSE(golden["cases"].empty()) << file;
  for (const nlohmann::json& expected : golden["cases"]) expect_case(tokenizer, expected);
}

/// The texts and ids of llama.cpp's vocabulary tests. A text without a line of ids is not compared.
inline void expect_vectors(const Tokenizer& tokenizer, const std::filesystem::path& stem) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string texts = read_text(stem.string() + ".inp");
  std::istringstream lines(read_text(stem.string() + ".out"));
  int n_compared = 0;
  for (std::string line; std::getline(lines, line); ++n_compared) {
    const size_t end = texts.find(separator);
    ASSERT_NE(end, std::string::npos);
    const std::string text = texts.substr(0, end);
    texts.erase(0, end + separator.size());
    std::istringstream numbers(line);
    std::vector<int64_t> ids;
    for (int64_t id = 0; numbers >> id;) ids.push_back(id);
    EXPECT_EQ(tokenizer.encode(text, false).ids, ids) << "text: " << text;
  }
  EXPECT_EQ(n_compared, 46);
}

}  // namespace weir
