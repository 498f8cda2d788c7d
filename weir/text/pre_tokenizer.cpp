#include "weir/text/pre_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/text/json_text.h"

namespace weir::text {
namespace {

constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
                                    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"(|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kBloom = R"( ?[^(\s|.,!?…。，、।۔،)]+)";
constexpr std::string_view kDigit = R"(\p{N})";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";
constexpr std::string_view kPunctuation = R"([\p{P}\$\+<=>\^~\|`]+)";
constexpr std::string_view kLineEnd = R"([\r\n])";
constexpr std::string_view kCjk = "[一-龥ࠀ-一가-퟿]+";
// The cased letters of the Unicode version that DeepSeek's tokenizer was made with.
constexpr std::string_view kDeepseekLetters =
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-Ί"
    "ΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫ"
    "ᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7d"
    "ᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴ"
    "ῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿ"
    "ⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇ"
    "Ꞌ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻"
    "𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+";
constexpr std::string_view kDeepseekPunctuation = R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)";

const std::vector<PreTokenizer>& pre_tokenizers() {
  static const std::vector<PreTokenizer> known = {
      {{"gpt-2", "gpt2", "phi-2", "mpt", "jais", "trillion"}, {kGpt2}},
      {{"gpt-neox", "olmo", "dolly"}, {kGpt2}, true},
      {{"default"}, {kPunctuation, kGpt2, R"(\p{N}+)", kThreeDigits}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "pixtral"}, {kLlama3}, false, true, true},
      {{"smaug-bpe", "smaug", "dbrx", "chatglm-bpe", "glm4"}, {kLlama3}},
      {{"qwen2", "deepseek-r1-qwen", "megrez"}, {kQwen2}, true},
      {{"stablelm2", "hunyuan"}, {kQwen2}},
      {{"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"},
       {kDigit, kGpt2}},
      {{"falcon"}, {kPunctuation, kGpt2, kThreeDigits}},
      {{"tekken"}, {kTekken}, false, true, true},
      {{"gpt-4o", "llama4"}, {kGpt4o}},
      {{"bloom", "poro-chat", "gpt3-finnish"}, {kBloom}},
      {{"viking"}, {kBloom, kDigit}},
      {{"deepseek-llm"},
       {kLineEnd, kDeepseekLetters, kDeepseekPunctuation, R"(\s+$)", kCjk, R"(\p{N}+)"}},
      {{"deepseek-coder"}, {kLineEnd, R"(\s?\p{L}+)", R"(\s?\p{P}+)", kCjk, kDigit}},
  };
  return known;
}

std::string pre_tokenizer_json(const PreTokenizer& pre_tokenizer, bool add_prefix_space) {
  std::string json = R"({"type":"Sequence","pretokenizers":[)";
  // A prefix must be there before the first split sees the text.
  if (add_prefix_space) {
    json += R"({"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true})";
    return json + "]}";
  }
  for (const std::string_view split : pre_tokenizer.splits) {
    fmt::format_to(std::back_inserter(json),
                   R"({{"type":"Split","pattern":{{"Regex":{}}},"behavior":"Isolated",)"
                   R"("invert":false}},)",
                   json_string(split));
  }
  return json +
         R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false}]})";
}

}  // namespace

const PreTokenizer& find_pre_tokenizer(std::string_view name, std::string_view what) {
  std::vector<std::string_view> known;
  for (const PreTokenizer& pre_tokenizer : pre_tokenizers()) {
    for (const std::string_view candidate : pre_tokenizer.names) {
      if (candidate == name) return pre_tokenizer;
      known.push_back(candidate);
    }
  }
  fail(ErrorCode::kUnsupported, "{}: expected a known pre-tokenizer, found '{}'; known: {}", what,
       io::printable(name), fmt::join(known, ", "));
}

std::string byte_level_bpe_json(const PreTokenizer& pre_tokenizer, std::string_view vocabulary,
                                std::string_view merges, std::string_view added_tokens,
                                bool add_prefix_space) {
  constexpr std::string_view kByteLevel =
      R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":false,"use_regex":false})";
  std::string json;
  json.reserve(vocabulary.size() + merges.size() + added_tokens.size() + 4096);
  fmt::format_to(std::back_inserter(json),
                 R"({{"version":"1.0","added_tokens":{},"normalizer":{},"pre_tokenizer":{},)"
                 R"("post_processor":{},"decoder":{},"model":{{"type":"BPE","ignore_merges":{},)",
                 added_tokens, pre_tokenizer.is_nfc ? R"({"type":"NFC"})" : "null",
                 pre_tokenizer_json(pre_tokenizer, add_prefix_space), kByteLevel, kByteLevel,
                 pre_tokenizer.ignores_merges);
  json.append(R"("vocab":)").append(vocabulary);
  json.append(R"(,"merges":)").append(merges);
  return json.append("}}");
}

}  // namespace weir::text
