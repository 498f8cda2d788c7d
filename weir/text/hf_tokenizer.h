#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/text/tokenizer.h"

struct WeirHfTokenizer;
struct WeirHfWords;

namespace weir::text {

/// Every token of a tokenizer, by id. Ids that no token has are holes with an empty spelling.
struct VocabularyTable {
  std::string text;  ///< All spellings one after the other.
  std::vector<uint64_t> ends;
  std::vector<uint8_t> flags;
  std::optional<int64_t> unk;
  bool is_byte_level = false;      ///< Spelled in GPT-2's byte alphabet.
  bool has_meta_space = false;     ///< Spaces are spelled "▁".
  bool has_byte_fallback = false;  ///< "<0xE2>" is a byte.

  int64_t size() const noexcept { return static_cast<int64_t>(ends.size()); }
  std::string_view token(int64_t id) const;
  bool is_token(int64_t id) const;
  bool is_added(int64_t id) const;
  bool is_special(int64_t id) const;
};

/// A tokenizer of the Rust crate (hf/weir_hf.h). Its failures become weir::Error: kCorruptData
/// when the data it was made of is at fault, kInvalidArgument when an argument is no UTF-8.
class HfTokenizer {
 public:
  /// `name` stands for the source in messages.
  static HfTokenizer from_json(std::string_view json, std::string name);
  static HfTokenizer train(const NextText& next, const BpeTrainOptions& options);

  /// `json`: a list of added tokens with ids, spelled as in a tokenizer.json.
  void add_tokens(std::string_view json);
  /// Makes encoding with special tokens put these ids around every text.
  void set_frame(std::optional<int64_t> before, std::optional<int64_t> after);

  /// Without `tokens`, which are the vocabulary's.
  Encoding encode(std::string_view text, bool add_special) const;
  std::vector<Encoding> encode_batch(const std::vector<std::string>& texts, bool add_special) const;
  /// `by_words`: cut into words, which must change no id (word_cuts.h).
  IdLists encode_ids(const std::vector<std::string_view>& texts, bool by_words) const;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special) const;
  std::optional<int64_t> id_of(std::string_view token) const;
  VocabularyTable vocabulary() const;
  std::string to_json() const;
  const std::string& name() const noexcept { return name_; }

 private:
  struct Free {
    void operator()(WeirHfTokenizer* tokenizer) const;
    void operator()(WeirHfWords* words) const;
  };
  HfTokenizer(WeirHfTokenizer* tokenizer, std::string name);

  std::unique_ptr<WeirHfTokenizer, Free> tokenizer_;
  std::unique_ptr<WeirHfWords, Free> words_;  ///< Fills as texts are cut into words.
  std::string name_;
};

/// Renders a Jinja template; see weir_hf_render.
std::string render_template(std::string_view source, std::string_view context_json);

}  // namespace weir::text
