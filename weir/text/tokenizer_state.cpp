#include "weir/text/tokenizer_state.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/text/word_cuts.h"

namespace weir {

Tokenizer::State::State(text::HfTokenizer tokenizer)
    : hf(std::move(tokenizer)), vocabulary(hf.vocabulary()) {}

bool Tokenizer::State::allows_word_cuts() const {
  std::call_once(asked_, [&] { allows_word_cuts_ = text::allows_word_cuts(hf, vocabulary); });
  return allows_word_cuts_;
}

void Tokenizer::State::complete_special() {
  if (!special.unk) special.unk = vocabulary.unk;
  std::vector<int64_t>& ends = special.end_of_generation;
  if (special.eos && std::find(ends.begin(), ends.end(), *special.eos) == ends.end()) {
    ends.insert(ends.begin(), *special.eos);
  }
}

namespace text {
namespace {

// GPT-2's alphabet: printable bytes stand for themselves, the others for U+0100 and up.
const std::array<int, 512>& byte_of_character() {
  static const std::array<int, 512> table = [] {
    std::array<int, 512> bytes{};
    bytes.fill(-1);
    int next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool is_printable = (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) ||
                                (byte >= 0xae && byte <= 0xff);
      bytes[static_cast<size_t>(is_printable ? byte : next++)] = byte;
    }
    return bytes;
  }();
  return table;
}

// The bytes of a byte-level spelling; empty when a character is outside the alphabet.
std::optional<std::string> from_byte_level(std::string_view token) {
  std::string bytes;
  for (size_t place = 0; place < token.size(); ++place) {
    auto code = static_cast<unsigned>(static_cast<unsigned char>(token[place]));
    if (code >= 0x80) {
      // The alphabet needs no character of more than two bytes.
      if (code < 0xc2 || code > 0xc7 || place + 1 == token.size()) return std::nullopt;
      code = (code & 0x1f) << 6 | (static_cast<unsigned char>(token[++place]) & 0x3f);
    }
    const int byte = byte_of_character()[code];
    if (byte < 0) return std::nullopt;
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

std::optional<char> from_byte_piece(std::string_view token) {
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return std::nullopt;
  int value = 0;
  for (const char digit : token.substr(3, 2)) {
    const bool is_hex = (digit >= '0' && digit <= '9') || (digit >= 'A' && digit <= 'F');
    if (!is_hex) return std::nullopt;
    value = value * 16 + (digit <= '9' ? digit - '0' : digit - 'A' + 10);
  }
  return static_cast<char>(value);
}

std::string with_spaces(std::string_view token) {
  constexpr std::string_view kMetaSpace = "▁";
  std::string text;
  while (true) {
    const size_t place = token.find(kMetaSpace);
    text += token.substr(0, place);
    if (place == std::string_view::npos) return text;
    text += ' ';
    token.remove_prefix(place + kMetaSpace.size());
  }
}

}  // namespace

void set_frame(HfTokenizer* tokenizer, bool adds_bos, bool adds_eos, std::optional<int64_t> bos,
               std::optional<int64_t> eos) {
  if (adds_bos && !bos) {
    fail(ErrorCode::kCorruptData, "{}: asks for a BOS token at every start but names none",
         tokenizer->name());
  }
  if (adds_eos && !eos) {
    fail(ErrorCode::kCorruptData, "{}: asks for an EOS token at every end but names none",
         tokenizer->name());
  }
  const std::vector<int64_t> plain = tokenizer->encode("a", false).ids;
  std::vector<int64_t> wanted;
  if (adds_bos) wanted.push_back(*bos);
  wanted.insert(wanted.end(), plain.begin(), plain.end());
  if (adds_eos) wanted.push_back(*eos);
  if (tokenizer->encode("a", true).ids == wanted) return;
  tokenizer->set_frame(adds_bos ? bos : std::nullopt, adds_eos ? eos : std::nullopt);
}

bool is_byte_piece(const VocabularyTable& vocabulary, int64_t id) {
  return vocabulary.has_byte_fallback && id >= 0 && id < vocabulary.size() &&
         !vocabulary.is_added(id) && from_byte_piece(vocabulary.token(id)).has_value();
}

std::string bytes_of_token(const VocabularyTable& vocabulary, int64_t id) {
  const std::string_view token = vocabulary.token(id);
  if (vocabulary.is_byte_level) {
    if (const auto bytes = from_byte_level(token)) return *bytes;
    return std::string(token);
  }
  if (vocabulary.has_byte_fallback) {
    if (const auto byte = from_byte_piece(token)) return std::string(1, *byte);
  }
  return vocabulary.has_meta_space ? with_spaces(token) : std::string(token);
}

}  // namespace text
}  // namespace weir
