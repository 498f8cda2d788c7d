#pragma once

#include <string>
#include <string_view>
#include <vector>

/// The ways in which byte-level BPE vocabularies cut a text into words before merging. GGUF files
/// name them (`tokenizer.ggml.pre`); the expressions are those of the models' own tokenizer.json.
namespace weir::text {

struct PreTokenizer {
  std::vector<std::string_view> names;
  std::vector<std::string_view> splits;  ///< Applied in turn; each match becomes a word.
  bool is_nfc = false;                   ///< Text is brought to NFC first.
  bool ignores_merges = false;           ///< A word that is a token needs no merges.
  bool adds_bos = false;                 ///< Unless the file says otherwise.
};

/// kUnsupported, with the list of those known, for another name. `what` names the source.
const PreTokenizer& find_pre_tokenizer(std::string_view name, std::string_view what);

/// The text of a tokenizer.json. `vocabulary` is its {"token": id} object, `merges` its list of
/// merges, `added_tokens` its list of added tokens.
std::string byte_level_bpe_json(const PreTokenizer& pre_tokenizer, std::string_view vocabulary,
                                std::string_view merges, std::string_view added_tokens,
                                bool add_prefix_space = false);

}  // namespace weir::text
