#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/text/piece.h"

/// SentencePiece's tokenizer.model: a protobuf message `ModelProto`. The reader knows the fields
/// that decide how a text is tokenised and steps over the others.
namespace weir::text {

struct SentencePieceModel {
  enum class Kind { kUnigram = 1, kBpe = 2, kWord = 3, kChar = 4 };

  std::vector<Piece> pieces;
  Kind kind = Kind::kUnigram;
  int64_t unk = 0, bos = 1, eos = 2, pad = -1;  ///< -1: none.
  std::string_view unk_surface = " \u2047 ";    ///< What an unknown character decodes to.
  bool treats_whitespace_as_suffix = false;
  std::string_view precompiled_charsmap;
  bool adds_dummy_prefix = true;
  bool removes_extra_whitespaces = true;
  bool escapes_whitespaces = true;
};

/// Reads a model; the result points into `bytes`. `what` names the source. kCorruptData for bytes
/// that are no such message, or that contradict themselves.
SentencePieceModel parse_sentencepiece(std::string_view bytes, std::string_view what);

/// The tokenizer of a model. kUnsupported for word and character models and for the options that
/// have no counterpart (whitespace as suffix, unused pieces in a unigram model).
TokenizerSource source_of(const SentencePieceModel& model, std::string_view what);

}  // namespace weir::text
