#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/text/piece.h"

/// Vocabularies of SentencePiece's kind: pieces with scores, spaces spelled "▁" (U+2581).
namespace weir::text {

/// How SentencePiece prepares a text.
struct SentencePieceRules {
  std::string_view precompiled_charsmap;  ///< Empty: characters stay as they are.
  bool adds_dummy_prefix = true;          ///< A space goes before the text.
  bool removes_extra_whitespaces = false;
  bool escapes_whitespaces = true;
  int64_t unk = 0;
  /// What an unknown character decodes to; the unknown piece's own spelling when empty.
  std::string_view unk_surface;
};

/// The text of a tokenizer.json of a BPE whose merges follow from the scores: the neighbours whose
/// union has the highest score merge first. `what` names the source in errors: kCorruptData for
/// scores that are no numbers, kUnsupported for pieces of more than 1024 bytes.
std::string score_bpe_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules,
                           std::string_view what);

/// The same of a unigram model: the most probable segmentation.
std::string unigram_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules,
                         std::string_view what);

}  // namespace weir::text
