#include "weir/text/score_vocabulary.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/text/json_text.h"

namespace weir::text {
namespace {

constexpr size_t kMaxPieceBytes = 1024;

struct Merge {
  std::string_view left, right;
  int64_t left_id = 0, right_id = 0;
  float score = 0;  ///< Of the union.
};

using Ids = std::unordered_map<std::string_view, int64_t>;

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

int64_t n_characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char byte) { return !is_continuation(byte); });
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t place = 0; place < bytes.size(); place += 3) {
    uint32_t group = 0;
    const size_t count = std::min<size_t>(3, bytes.size() - place);
    for (size_t i = 0; i < 3; ++i) {
      const auto byte = i < count ? static_cast<unsigned char>(bytes[place + i]) : 0;
      group = group << 8 | byte;
    }
    for (size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=';
    }
  }
  return text;
}

void check_scores(const std::vector<Piece>& pieces, std::string_view what) {
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (!std::isfinite(pieces[id].score)) {
      fail(ErrorCode::kCorruptData, "{}: the score of piece {} is not a finite number", what, id);
    }
    if (pieces[id].text.size() > kMaxPieceBytes) {
      fail(ErrorCode::kUnsupported, "{}: piece {} has {} bytes, at most {} are read", what, id,
           pieces[id].text.size(), kMaxPieceBytes);
    }
  }
}

// Every way to make a piece of two others, in the order of preference that Hugging Face's
// converters use: ties of the score go to the longer left, then the longer right part.
std::vector<Merge> merges_of(const std::vector<Piece>& pieces) {
  Ids ids;
  for (size_t id = 0; id < pieces.size(); ++id) {
    ids.insert_or_assign(pieces[id].text, static_cast<int64_t>(id));
  }
  std::vector<Merge> merges;
  for (const Piece& piece : pieces) {
    if (piece.kind != PieceKind::kNormal && piece.kind != PieceKind::kUserDefined) continue;
    const size_t first = merges.size();
    for (size_t cut = 1; cut < piece.text.size(); ++cut) {
      if (is_continuation(piece.text[cut])) continue;
      const auto left = ids.find(piece.text.substr(0, cut));
      if (left == ids.end()) continue;
      const auto right = ids.find(piece.text.substr(cut));
      if (right == ids.end()) continue;
      merges.push_back({left->first, right->first, left->second, right->second, piece.score});
    }
    std::sort(merges.begin() + static_cast<ptrdiff_t>(first), merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::pair(a.left_id, a.right_id) < std::pair(b.left_id, b.right_id);
              });
  }
  std::stable_sort(merges.begin(), merges.end(), [](const Merge& a, const Merge& b) {
    if (a.score != b.score) return a.score > b.score;
    return std::pair(n_characters(a.left), n_characters(a.right)) >
           std::pair(n_characters(b.left), n_characters(b.right));
  });
  return merges;
}

std::string normalizer_json(const SentencePieceRules& rules) {
  std::string parts;
  const auto add = [&parts](std::string_view part) {
    if (!parts.empty()) parts += ',';
    parts += part;
  };
  if (!rules.precompiled_charsmap.empty()) {
    add(fmt::format(R"({{"type":"Precompiled","precompiled_charsmap":"{}"}})",
                    base64(rules.precompiled_charsmap)));
  }
  if (rules.removes_extra_whitespaces) {
    add(R"({"type":"Replace","pattern":{"Regex":"\\A +| +\\z"},"content":""})");
    add(R"({"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "})");
  }
  const std::string_view space = rules.escapes_whitespaces ? "▁" : " ";
  if (rules.adds_dummy_prefix) add(fmt::format(R"({{"type":"Prepend","prepend":"{}"}})", space));
  if (rules.escapes_whitespaces) {
    add(R"({"type":"Replace","pattern":{"String":" "},"content":"▁"})");
  }
  return parts.empty() ? "null" : R"({"type":"Sequence","normalizers":[)" + parts + "]}";
}

std::string decoder_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules) {
  std::string json = R"({"type":"Sequence","decoders":[)";
  if (!rules.unk_surface.empty()) {
    fmt::format_to(
        std::back_inserter(json), R"({{"type":"Replace","pattern":{{"String":{}}},"content":{}}},)",
        json_string(pieces[static_cast<size_t>(rules.unk)].text), json_string(rules.unk_surface));
  }
  json += R"({"type":"Replace","pattern":{"String":"▁"},"content":" "},)";
  json += R"({"type":"ByteFallback"},{"type":"Fuse"})";
  if (rules.adds_dummy_prefix) json += R"(,{"type":"Strip","content":" ","start":1,"stop":0})";
  return json + "]}";
}

std::string shell_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules,
                       std::string_view model) {
  return fmt::format(R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":null,)"
                     R"("post_processor":null,"decoder":{},"model":{}}})",
                     added_tokens_json(pieces, rules.unk_surface.empty()), normalizer_json(rules),
                     decoder_json(pieces, rules), model);
}

}  // namespace

std::string score_bpe_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules,
                           std::string_view what) {
  check_scores(pieces, what);
  std::string model = fmt::format(
      R"({{"type":"BPE","unk_token":{},"fuse_unk":true,"byte_fallback":{},"vocab":{{)",
      json_string(pieces[static_cast<size_t>(rules.unk)].text), has_byte_fallback(pieces));
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (id > 0) model += ',';
    append_json_string(&model, pieces[id].text);
    fmt::format_to(std::back_inserter(model), ":{}", id);
  }
  model += R"(},"merges":[)";
  bool is_first = true;
  for (const Merge& merge : merges_of(pieces)) {
    model += is_first ? "[" : ",[";
    append_json_string(&model, merge.left);
    model += ',';
    append_json_string(&model, merge.right);
    model += ']';
    is_first = false;
  }
  return shell_json(pieces, rules, model + "]}");
}

std::string unigram_json(const std::vector<Piece>& pieces, const SentencePieceRules& rules,
                         std::string_view what) {
  check_scores(pieces, what);
  std::string model = fmt::format(R"({{"type":"Unigram","unk_id":{},"byte_fallback":{},"vocab":[)",
                                  rules.unk, has_byte_fallback(pieces));
  for (size_t id = 0; id < pieces.size(); ++id) {
    model += id > 0 ? ",[" : "[";
    append_json_string(&model, pieces[id].text);
    fmt::format_to(std::back_inserter(model), ",{:.9g}]", pieces[id].score);
  }
  return shell_json(pieces, rules, model + "]}");
}

}  // namespace weir::text
