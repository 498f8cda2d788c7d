#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "tests/io/temporary_folder.h"
#include "tests/support/golden.h"
#include "weir/text/tokenizer.h"

/// Real vocabularies of every kind. Those that may not be kept in the repository are left out where
/// they are not on the machine.
namespace weir::testing {

inline std::filesystem::path golden_tokenizers() {
  return std::filesystem::path(WEIR_GOLDEN_DIR) / "tokenizers";
}

/// Byte-level BPE without BOS.
inline const Tokenizer& smollm2() {
  static const Tokenizer tokenizer = Tokenizer::from_folder(golden_tokenizers() / "smollm2");
  return tokenizer;
}

/// SmolLM2's vocabulary with a BOS before every text: what OPT's tokenizer does to GPT-2's.
inline Tokenizer with_bos() {
  const io::TemporaryFolder folder;
  std::filesystem::copy(golden_tokenizers() / "smollm2" / "tokenizer.json", folder.path());
  folder.write("tokenizer_config.json",
               R"({"add_bos_token": true, "bos_token": "<|endoftext|>",
                   "eos_token": "<|endoftext|>", "tokenizer_class": "GPT2Tokenizer"})");
  return Tokenizer::from_folder(folder.path());
}

inline std::map<std::string, std::function<Tokenizer()>> tokenizers() {
  std::map<std::string, std::function<Tokenizer()>> all = {
      {"smollm2", [] { return smollm2(); }},
      {"with_bos", with_bos},
      {"sentencepiece", [] {
         return Tokenizer::from_sentencepiece(golden_tokenizers() / "sentencepiece" /
                                              "test_model.model");
       }}};
  const std::filesystem::path more = std::filesystem::path(WEIR_TEST_DATA) / "tokenizers";
  if (*WEIR_TEST_DATA == '\0' || !std::filesystem::exists(more)) return all;
  for (const char* name : {"gpt2", "qwen2"}) {
    all[name] = [=] { return Tokenizer::from_folder(more / name); };
  }
  all["llama2"] = [=] { return Tokenizer::from_sentencepiece(more / "llama2/tokenizer.model"); };
  return all;
}

}  // namespace weir::testing
