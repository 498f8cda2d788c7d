#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "weir/text/hf_tokenizer.h"
#include "weir/text/piece.h"
#include "weir/text/tokenizer.h"

namespace weir {

/// What a Tokenizer is a handle of. Never changes once made.
struct Tokenizer::State {
  explicit State(text::HfTokenizer tokenizer);

  /// Fills in what follows from the vocabulary and from EOS. To be called once, last.
  void complete_special();
  /// text::allows_word_cuts, asked once.
  bool allows_word_cuts() const;

  text::HfTokenizer hf;
  text::VocabularyTable vocabulary;
  SpecialIds special;
  std::optional<std::string> chat_template;
  /// What else generation_config.json says (temperature, ...); kept for `save`.
  std::string generation_config = "{}";

 private:
  mutable std::once_flag asked_;
  mutable bool allows_word_cuts_ = false;
};

namespace text {

/// Makes the tokenizer put BOS and EOS around a text as asked, unless it does so already.
/// kCorruptData when it shall add a token that it does not have.
void set_frame(HfTokenizer* tokenizer, bool adds_bos, bool adds_eos, std::optional<int64_t> bos,
               std::optional<int64_t> eos);

/// Whether the decoder reads the token as one byte ("<0xE2>").
bool is_byte_piece(const VocabularyTable& vocabulary, int64_t id);

/// The bytes that a token stands for: its spelling with the vocabulary's alphabet undone.
std::string bytes_of_token(const VocabularyTable& vocabulary, int64_t id);

}  // namespace text
}  // namespace weir
