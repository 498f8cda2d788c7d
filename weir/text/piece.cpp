#include "weir/text/piece.h"

#include <set>

#include <fmt/format.h>

#include "weir/text/json_text.h"

namespace weir::text {

bool has_byte_fallback(const std::vector<Piece>& pieces) {
  std::set<std::string_view> found;
  for (const Piece& piece : pieces) {
    if (piece.text.size() == 6 && piece.text.substr(0, 3) == "<0x") found.insert(piece.text);
  }
  for (int byte = 0; byte < 256; ++byte) {
    if (found.count(fmt::format("<0x{:02X}>", byte)) == 0) return false;
  }
  return true;
}

std::string added_tokens_json(const std::vector<Piece>& pieces, bool with_unknown) {
  std::string json = "[";
  std::set<std::string_view> seen;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    const bool is_special =
        piece.kind == PieceKind::kControl || (with_unknown && piece.kind == PieceKind::kUnknown);
    if (!is_special && piece.kind != PieceKind::kUserDefined) continue;
    if (piece.text.empty() || !seen.insert(piece.text).second) continue;
    if (json.size() > 1) json += ',';
    fmt::format_to(std::back_inserter(json), R"({{"id":{},"content":)", id);
    append_json_string(&json, piece.text);
    json += R"(,"single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":)";
    json += is_special ? "true}" : "false}";
  }
  return json + "]";
}

}  // namespace weir::text
