#include "weir/text/llama2c_vocabulary.h"

#include <deque>
#include <set>
#include <string>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/text/score_vocabulary.h"

namespace weir::text {
namespace {

constexpr uint64_t kHeaderBytes = 4;       // The longest piece's length.
constexpr uint64_t kPieceHeaderBytes = 8;  // Score and length.
constexpr int64_t kUnk = 0, kBos = 1, kEos = 2;

struct StoredPiece {
  std::string_view text;
  float score = 0;
};

std::vector<StoredPiece> read_pieces(std::string_view bytes, int64_t vocab_size,
                                     std::string_view what) {
  const auto fewest_bytes = kHeaderBytes + static_cast<uint64_t>(vocab_size) * kPieceHeaderBytes;
  if (bytes.size() < fewest_bytes) {
    fail(ErrorCode::kCorruptData, "{}: {} pieces need at least {} bytes, the file has {}", what,
         vocab_size, fewest_bytes, bytes.size());
  }
  std::vector<StoredPiece> pieces(static_cast<size_t>(vocab_size));
  uint64_t place = kHeaderBytes;
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (bytes.size() - place < kPieceHeaderBytes) {
      fail(ErrorCode::kCorruptData, "{}: ends inside piece {} of {}", what, id, vocab_size);
    }
    const auto length = io::load<int32_t>(bytes, place + 4);
    if (length < 0 || static_cast<uint64_t>(length) > bytes.size() - place - kPieceHeaderBytes) {
      fail(ErrorCode::kCorruptData, "{}: piece {} of {} has a length of {}, {} bytes are left",
           what, id, vocab_size, length, bytes.size() - place - kPieceHeaderBytes);
    }
    pieces[id] = {bytes.substr(place + kPieceHeaderBytes, static_cast<size_t>(length)),
                  io::load<float>(bytes, place)};
    place += kPieceHeaderBytes + static_cast<uint64_t>(length);
  }
  if (place != bytes.size()) {
    fail(ErrorCode::kCorruptData, "{}: expected {} pieces in {} bytes, found {} bytes more", what,
         vocab_size, place, bytes.size() - place);
  }
  return pieces;
}

std::string with_meta_spaces(std::string_view text) {
  std::string result;
  for (const char character : text) {
    if (character == ' ') {
      result += "▁";
    } else {
      result += character;
    }
  }
  return result;
}

bool is_byte_piece(std::string_view text) {
  return text.size() == 6 && text.substr(0, 3) == "<0x" && text.back() == '>';
}

}  // namespace

TokenizerSource parse_llama2c_vocabulary(std::string_view bytes, int64_t vocab_size,
                                         std::string_view what) {
  require(vocab_size > kEos && vocab_size <= int64_t{1} << 24,
          "{}: expected a vocabulary of 3 to 16777216 pieces, got {}", what, vocab_size);
  std::deque<std::string> texts;  // Its items stay where they are.
  std::vector<Piece> pieces;
  std::set<std::string_view> seen;
  for (const StoredPiece& stored : read_pieces(bytes, vocab_size, what)) {
    const auto id = static_cast<int64_t>(pieces.size());
    Piece piece;
    piece.score = stored.score;
    if (id <= kEos) {
      // The file holds "\n<s>\n" where the vocabulary had "<s>".
      constexpr std::string_view kNames[] = {"<unk>", "<s>", "</s>"};
      piece.text = kNames[id];
      piece.kind = id == kUnk ? PieceKind::kUnknown : PieceKind::kControl;
    } else {
      piece.text = texts.emplace_back(with_meta_spaces(stored.text));
      if (is_byte_piece(piece.text)) piece.kind = PieceKind::kByte;
    }
    if (!seen.insert(piece.text).second) {
      fail(ErrorCode::kCorruptData, "{}: piece {} is the same as an earlier one", what, id);
    }
    pieces.push_back(piece);
  }
  TokenizerSource source;
  source.json = score_bpe_json(pieces, SentencePieceRules(), what);
  source.bos = kBos;
  source.eos = kEos;
  source.adds_bos = true;
  return source;
}

}  // namespace weir::text
