#include "weir/text/gguf_vocabulary.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/gguf.h"
#include "weir/io/printable.h"
#include "weir/text/json_text.h"
#include "weir/text/pre_tokenizer.h"
#include "weir/text/score_vocabulary.h"

namespace weir::text {
namespace {

constexpr std::string_view kWhat = "GGUF vocabulary";

std::string key(std::string_view name) { return fmt::format("tokenizer.ggml.{}", name); }

std::vector<Piece> read_pieces(const io::GgufFile& file) {
  std::vector<Piece> pieces;
  for (const std::string_view token : file.get_string_array(key("tokens"))) {
    pieces.push_back({token});
  }
  if (pieces.empty()) fail(ErrorCode::kCorruptData, "{}: it has no tokens", kWhat);
  if (const auto scores = file.find_float_array(key("scores"))) {
    if (scores->size() != pieces.size()) {
      fail(ErrorCode::kCorruptData, "{}: {} scores for {} tokens", kWhat, scores->size(),
           pieces.size());
    }
    for (size_t id = 0; id < pieces.size(); ++id) pieces[id].score = (*scores)[id];
  }
  if (const auto kinds = file.find_int_array(key("token_type"))) {
    if (kinds->size() != pieces.size()) {
      fail(ErrorCode::kCorruptData, "{}: {} token types for {} tokens", kWhat, kinds->size(),
           pieces.size());
    }
    for (size_t id = 0; id < pieces.size(); ++id) {
      const int64_t kind = (*kinds)[id];
      if (kind < 0 || kind > 6) {
        fail(ErrorCode::kCorruptData, "{}: token {} has the type {}, expected 0 to 6", kWhat, id,
             kind);
      }
      if (kind > 0) pieces[id].kind = static_cast<PieceKind>(kind);
    }
  }
  return pieces;
}

// Files state "none" by leaving a key out or by an id beyond the vocabulary.
std::optional<int64_t> find_id(const io::GgufFile& file, std::string_view name, size_t n_tokens) {
  const std::optional<uint64_t> id = file.find_u64(key(name));
  if (!id || *id >= n_tokens) return std::nullopt;
  return static_cast<int64_t>(*id);
}

// Every name under which a chat model's turn ends; llama.cpp stops at them too.
void find_end_of_generation(const io::GgufFile& file, const std::vector<Piece>& pieces,
                            TokenizerSource* source) {
  static const std::set<std::string_view> kNames = {
      "<|eot_id|>", "<|im_end|>", "<|end|>",         "<end_of_turn>",       "<|endoftext|>",
      "<|eom_id|>", "<|return|>", "<|end_of_text|>", "<|end_of_sentence|>", "<EOT>"};
  std::set<int64_t> ids;
  for (const std::string_view name : {"eos_token_id", "eot_token_id", "eom_token_id"}) {
    if (const auto id = find_id(file, name, pieces.size())) ids.insert(*id);
  }
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].kind == PieceKind::kControl && kNames.count(pieces[id].text) > 0) {
      ids.insert(static_cast<int64_t>(id));
    }
  }
  source->end_of_generation.assign(ids.begin(), ids.end());
}

std::string byte_level_json(const io::GgufFile& file, const std::vector<Piece>& pieces,
                            const PreTokenizer& pre_tokenizer) {
  std::string vocabulary = "{";
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (id > 0) vocabulary += ',';
    append_json_string(&vocabulary, pieces[id].text);
    vocabulary.append(":").append(std::to_string(id));
  }
  vocabulary += '}';
  std::string merges = "[";
  for (const std::string_view merge : file.get_string_array(key("merges"))) {
    if (merges.size() > 1) merges += ',';
    append_json_string(&merges, merge);
  }
  merges += ']';
  return byte_level_bpe_json(pre_tokenizer, vocabulary, merges, added_tokens_json(pieces, false));
}

TokenizerSource read_byte_level(const io::GgufFile& file, std::vector<Piece> pieces) {
  const std::optional<std::string> pre = file.find_string(key("pre"));
  if (!pre) {
    log::warn(
        "{}: it does not say how to split a text into words ({}); the result may differ "
        "from the model's own tokenizer",
        kWhat, key("pre"));
  }
  const PreTokenizer& pre_tokenizer = find_pre_tokenizer(pre.value_or("default"), kWhat);
  if (file.find(key("token_type")) == nullptr) {
    for (const std::string_view name : {"bos_token_id", "eos_token_id"}) {
      const auto id = find_id(file, name, pieces.size());
      if (id) pieces[static_cast<size_t>(*id)].kind = PieceKind::kControl;
    }
  }
  TokenizerSource source;
  source.json = byte_level_json(file, pieces, pre_tokenizer);
  source.adds_bos = pre_tokenizer.adds_bos;
  return source;
}

TokenizerSource read_score_based(const io::GgufFile& file, const std::vector<Piece>& pieces) {
  if (file.find(key("scores")) == nullptr) {
    fail(ErrorCode::kCorruptData, "{}: a vocabulary of the kind 'llama' needs scores", kWhat);
  }
  SentencePieceRules rules;
  rules.adds_dummy_prefix = file.find_bool(key("add_space_prefix")).value_or(true);
  rules.unk = find_id(file, "unknown_token_id", pieces.size()).value_or(0);
  TokenizerSource source;
  source.json = score_bpe_json(pieces, rules, kWhat);
  source.adds_bos = true;
  return source;
}

}  // namespace

TokenizerSource read_gguf_vocabulary(const io::GgufFile& file) {
  const std::string kind = file.get_string(key("model"));
  if (kind != "gpt2" && kind != "llama") {
    fail(ErrorCode::kUnsupported, "{}: expected the kind 'gpt2' or 'llama', found '{}'", kWhat,
         io::printable(kind));
  }
  const std::vector<Piece> pieces = read_pieces(file);
  TokenizerSource source =
      kind == "gpt2" ? read_byte_level(file, pieces) : read_score_based(file, pieces);
  source.bos = find_id(file, "bos_token_id", pieces.size());
  source.eos = find_id(file, "eos_token_id", pieces.size());
  source.pad = find_id(file, "padding_token_id", pieces.size());
  if (kind == "llama") {
    if (!source.bos && pieces.size() > 2) source.bos = 1;
    if (!source.eos && pieces.size() > 2) source.eos = 2;
  }
  find_end_of_generation(file, pieces, &source);
  source.adds_bos = file.find_bool(key("add_bos_token")).value_or(source.adds_bos);
  source.adds_eos = file.find_bool(key("add_eos_token")).value_or(false);
  source.chat_template = file.find_string("tokenizer.chat_template");
  return source;
}

}  // namespace weir::text
