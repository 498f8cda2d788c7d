#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "weir/text/tokenizer.h"

namespace weir::data {

/// Pieces of 32 KB and up that make a text, cut between a line's end and a letter: "...x\n|A...", x
/// a printable ASCII character, A an ASCII letter. The text itself when it is short or has no such
/// place.
std::vector<std::string_view> cut_at_lines(std::string_view text);

/// Cuts long documents into pieces that tokenise, one by one, to the same ids as the whole: all
/// threads get work, and memory stays small.
///
/// Cuts lie as in cut_at_lines. Whether a tokenizer allows them is asked of the tokenizer itself,
/// once: no token of the vocabulary holds a line's end with a letter after it, so no merge crosses
/// a cut; and for each of the 94 x 52 pairs (x, A) a small text tokenises to the same ids whole and
/// in two, so neither the normaliser nor the rule that splits words sees the cut. One that puts a
/// mark before every text (Llama 2's) does not pass; its documents stay whole.
class DocumentCutter {
 public:
  explicit DocumentCutter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// Of cut_at_lines; the text itself when it must not be cut.
  std::vector<std::string_view> pieces(std::string_view text);
  /// Whether the tokenizer allows cuts.
  bool can_cut();

 private:
  bool crosses_no_token() const;
  bool splits_alike() const;

  Tokenizer tokenizer_;
  std::optional<bool> can_cut_;
};

}  // namespace weir::data
