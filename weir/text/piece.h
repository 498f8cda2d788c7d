#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::text {

/// What a vocabulary entry is for; numbered as in GGUF and in SentencePiece files.
enum class PieceKind : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,      ///< A special token: never the result of a merge.
  kUserDefined = 4,  ///< Taken as a whole wherever the text spells it.
  kUnused = 5,
  kByte = 6,  ///< "<0xE2>".
};

/// One entry of a vocabulary; its place in the list is its id. `text` points into the source.
struct Piece {
  std::string_view text;
  float score = 0;
  PieceKind kind = PieceKind::kNormal;
};

/// A source of a vocabulary after reading: the tokenizer.json that stands for it, and what a
/// tokenizer.json does not say.
struct TokenizerSource {
  std::string json;
  std::optional<int64_t> bos, eos, pad;
  std::vector<int64_t> end_of_generation;
  bool adds_bos = false;
  bool adds_eos = false;
  std::optional<std::string> chat_template;
};

/// Whether the pieces spell every byte as "<0x00>" ... "<0xFF>".
bool has_byte_fallback(const std::vector<Piece>& pieces);

/// The "added_tokens" list of a tokenizer.json: control and user-defined pieces, and the unknown
/// piece when `with_unknown`.
std::string added_tokens_json(const std::vector<Piece>& pieces, bool with_unknown);

}  // namespace weir::text
