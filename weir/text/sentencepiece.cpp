#include "weir/text/sentencepiece.h"

#include <cstring>
#include <set>

#include "weir/base/error.h"
#include "weir/io/little_endian.h"
#include "weir/text/score_vocabulary.h"

namespace weir::text {
namespace {

// One field of a protobuf message: a number, or a range of bytes.
struct Field {
  uint64_t number = 0;
  uint64_t wire_type = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

constexpr uint64_t kVarint = 0;
constexpr uint64_t kFixed64 = 1;
constexpr uint64_t kBytes = 2;
constexpr uint64_t kFixed32 = 5;

class MessageReader {
 public:
  MessageReader(std::string_view bytes, std::string_view what) : bytes_(bytes), what_(what) {}

  bool at_end() const { return bytes_.empty(); }

  Field next() {
    Field field;
    const uint64_t tag = varint();
    field.number = tag >> 3;
    field.wire_type = tag & 7;
    if (field.number == 0) corrupt("a field has the number 0");
    switch (field.wire_type) {
      case kVarint:
        field.value = varint();
        break;
      case kFixed64:
        field.bytes = take(8);
        break;
      case kBytes:
        field.bytes = take(varint());
        break;
      case kFixed32:
        field.bytes = take(4);
        break;
      default:
        corrupt("a field has a wire type that protobuf does not define");
    }
    return field;
  }

  [[noreturn]] void corrupt(std::string_view fault) const {
    fail(ErrorCode::kCorruptData, "{}: not a SentencePiece model: {}", what_, fault);
  }

  std::string_view bytes_of(const Field& field) const {
    if (field.wire_type != kBytes) corrupt("a text or message field holds a number");
    return field.bytes;
  }
  uint64_t number_of(const Field& field) const {
    if (field.wire_type != kVarint) corrupt("a number field holds something else");
    return field.value;
  }
  float float_of(const Field& field) const {
    if (field.wire_type != kFixed32) corrupt("a score is not a 32-bit number");
    return io::load<float>(field.bytes, 0);
  }
  /// A negative int32 is written as ten bytes; anything beyond int32 is no id.
  int64_t id_of(const Field& field) const {
    const auto value = static_cast<int64_t>(number_of(field));
    if (value < INT32_MIN || value > INT32_MAX) corrupt("an id exceeds 32 bits");
    return value;
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (bytes_.empty()) corrupt("it ends inside a number");
      const auto byte = static_cast<unsigned char>(bytes_.front());
      bytes_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    corrupt("a number has more than ten bytes");
  }

  std::string_view take(uint64_t size) {
    if (size > bytes_.size()) corrupt("a field reaches beyond the end");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::string_view bytes_;
  std::string_view what_;
};

Piece parse_piece(std::string_view bytes, std::string_view what) {
  Piece piece;
  MessageReader reader(bytes, what);
  while (!reader.at_end()) {
    const Field field = reader.next();
    if (field.number == 1) piece.text = reader.bytes_of(field);
    if (field.number == 2) piece.score = reader.float_of(field);
    if (field.number == 3) {
      const uint64_t kind = reader.number_of(field);
      if (kind < 1 || kind > 6) reader.corrupt("a piece is of an unknown type");
      piece.kind = static_cast<PieceKind>(kind);
    }
  }
  return piece;
}

void parse_trainer_spec(std::string_view bytes, std::string_view what, SentencePieceModel* model) {
  MessageReader reader(bytes, what);
  while (!reader.at_end()) {
    const Field field = reader.next();
    switch (field.number) {
      case 3: {
        const uint64_t kind = reader.number_of(field);
        if (kind < 1 || kind > 4) reader.corrupt("the model type is unknown");
        model->kind = static_cast<SentencePieceModel::Kind>(kind);
        break;
      }
      case 24:
        model->treats_whitespace_as_suffix = reader.number_of(field) != 0;
        break;
      case 40:
        model->unk = reader.id_of(field);
        break;
      case 41:
        model->bos = reader.id_of(field);
        break;
      case 42:
        model->eos = reader.id_of(field);
        break;
      case 43:
        model->pad = reader.id_of(field);
        break;
      case 44:
        model->unk_surface = reader.bytes_of(field);
        break;
      default:
        break;
    }
  }
}

void parse_normalizer_spec(std::string_view bytes, std::string_view what,
                           SentencePieceModel* model) {
  MessageReader reader(bytes, what);
  while (!reader.at_end()) {
    const Field field = reader.next();
    if (field.number == 2) model->precompiled_charsmap = reader.bytes_of(field);
    if (field.number == 3) model->adds_dummy_prefix = reader.number_of(field) != 0;
    if (field.number == 4) model->removes_extra_whitespaces = reader.number_of(field) != 0;
    if (field.number == 5) model->escapes_whitespaces = reader.number_of(field) != 0;
  }
}

// The map begins with the size of its trie, made of 32-bit units; the replacements follow.
void check_charsmap(std::string_view map, const MessageReader& reader) {
  if (map.empty()) return;
  if (map.size() < 4) reader.corrupt("the character map is shorter than its header");
  const uint64_t trie_size = io::load<uint32_t>(map, 0);
  if (trie_size == 0 || trie_size % 4 != 0 || trie_size > map.size() - 4) {
    reader.corrupt("the character map's trie does not fit into it");
  }
}

void check(const SentencePieceModel& model, const MessageReader& reader) {
  if (model.pieces.empty()) reader.corrupt("it has no pieces");
  std::set<std::string_view> seen;
  for (const Piece& piece : model.pieces) {
    if (piece.text.empty()) reader.corrupt("a piece is empty");
    if (!seen.insert(piece.text).second) reader.corrupt("a piece is given twice");
  }
  const auto n_pieces = static_cast<int64_t>(model.pieces.size());
  if (model.unk < 0 || model.unk >= n_pieces ||
      model.pieces[static_cast<size_t>(model.unk)].kind != PieceKind::kUnknown) {
    reader.corrupt("the unknown piece is not where the trainer's settings say");
  }
  check_charsmap(model.precompiled_charsmap, reader);
}

// The id of a control piece, if it is one.
std::optional<int64_t> control_id(const SentencePieceModel& model, int64_t id) {
  if (id < 0 || id >= static_cast<int64_t>(model.pieces.size())) return std::nullopt;
  if (model.pieces[static_cast<size_t>(id)].kind != PieceKind::kControl) return std::nullopt;
  return id;
}

void check_supported(const SentencePieceModel& model, std::string_view what) {
  using Kind = SentencePieceModel::Kind;
  if (model.kind != Kind::kBpe && model.kind != Kind::kUnigram) {
    fail(ErrorCode::kUnsupported, "{}: expected a BPE or unigram SentencePiece model, found a {}",
         what, model.kind == Kind::kWord ? "word model" : "character model");
  }
  if (model.treats_whitespace_as_suffix) {
    fail(ErrorCode::kUnsupported, "{}: SentencePiece's treat_whitespace_as_suffix is not supported",
         what);
  }
  if (model.kind == Kind::kBpe) return;
  for (const Piece& piece : model.pieces) {
    if (piece.kind == PieceKind::kUnused) {
      fail(ErrorCode::kUnsupported, "{}: unused pieces in a unigram model are not supported", what);
    }
  }
}

}  // namespace

SentencePieceModel parse_sentencepiece(std::string_view bytes, std::string_view what) {
  SentencePieceModel model;
  MessageReader reader(bytes, what);
  while (!reader.at_end()) {
    const Field field = reader.next();
    if (field.number == 1) model.pieces.push_back(parse_piece(reader.bytes_of(field), what));
    if (field.number == 2) parse_trainer_spec(reader.bytes_of(field), what, &model);
    if (field.number == 3) parse_normalizer_spec(reader.bytes_of(field), what, &model);
  }
  check(model, reader);
  return model;
}

TokenizerSource source_of(const SentencePieceModel& model, std::string_view what) {
  check_supported(model, what);
  SentencePieceRules rules;
  rules.precompiled_charsmap = model.precompiled_charsmap;
  rules.adds_dummy_prefix = model.adds_dummy_prefix;
  rules.removes_extra_whitespaces = model.removes_extra_whitespaces;
  rules.escapes_whitespaces = model.escapes_whitespaces;
  rules.unk = model.unk;
  if (!has_byte_fallback(model.pieces)) rules.unk_surface = model.unk_surface;

  const bool is_bpe = model.kind == SentencePieceModel::Kind::kBpe;
  TokenizerSource source;
  source.json =
      is_bpe ? score_bpe_json(model.pieces, rules, what) : unigram_json(model.pieces, rules, what);
  source.bos = control_id(model, model.bos);
  source.eos = control_id(model, model.eos);
  source.pad = control_id(model, model.pad);
  source.adds_bos = is_bpe && source.bos.has_value();
  return source;
}

}  // namespace weir::text
