#pragma once

#include <sstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/text/golden_cases.h"

namespace weir {

/// GPT-2's vocabulary, rebuilt from its merges as OpenAI's encoder.json has it: the 256 characters
/// of the byte alphabet, each merge, <|endoftext|>.
class Gpt2Vocabulary {
 public:
  Gpt2Vocabulary() {
    add_alphabet();
    std::istringstream lines(read_text(golden_file("gpt2/vocab.bpe")));
    for (std::string line; std::getline(lines, line);) {
      const size_t space = line.find(' ');
      if (line.rfind("#version", 0) == 0 || space == std::string::npos) continue;
      merges.push_back(line);
      tokens.push_back(line.substr(0, space) + line.substr(space + 1));
    }
    tokens.emplace_back("<|endoftext|>");
  }

  std::string json() const {
    nlohmann::json vocab = nlohmann::json::object();
    for (size_t id = 0; id < tokens.size(); ++id) vocab[tokens[id]] = id;
    return vocab.dump();
  }

  std::vector<std::string> tokens;
  std::vector<std::string> merges;

 private:
  static std::string character(int code) {
    if (code < 0x80) return std::string(1, static_cast<char>(code));
    return {static_cast<char>(0xc0 | code >> 6), static_cast<char>(0x80 | (code & 0x3f))};
  }

  void add_alphabet() {
    for (const auto& [first, last] : {std::pair(0x21, 0x7e), {0xa1, 0xac}, {0xae, 0xff}}) {
      for (int code = first; code <= last; ++code) tokens.push_back(character(code));
    }
    for (int code = 0x100; tokens.size() < 256; ++code) tokens.push_back(character(code));
  }
};

}  // namespace weir
