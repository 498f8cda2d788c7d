#include "weir/text/hf_tokenizer.h"

#include <algorithm>
#include <exception>
#include <optional>

#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/text/hf/weir_hf.h"

namespace weir::text {
namespace {

constexpr size_t kMessageBytes = 300;

WeirHfSlice slice(std::string_view text) { return {text.data(), text.size()}; }

template <typename Text>
std::vector<WeirHfSlice> slices(const std::vector<Text>& texts) {
  std::vector<WeirHfSlice> result;
  result.reserve(texts.size());
  for (const Text& text : texts) result.push_back(slice(text));
  return result;
}

std::string take(WeirHfBytes bytes) {
  std::string text(bytes.data, bytes.size);
  weir_hf_bytes_free(bytes);
  return text;
}

// Throws unless `status` is kWeirHfOk; `error` then holds a message to free.
void check(WeirHfStatus status, WeirHfBytes error, std::string_view name, std::string_view action) {
  if (status == kWeirHfOk) return;
  const std::string message = io::printable(take(error), kMessageBytes);
  if (status == kWeirHfNotUtf8) {
    fail(ErrorCode::kInvalidArgument, "{}: cannot {}: expected UTF-8, {}", name, action, message);
  }
  fail(ErrorCode::kCorruptData, "{}: cannot {}: {}", name, action, message);
}

Encoding take(WeirHfEncoding source) {
  Encoding encoding;
  encoding.ids.assign(source.ids, source.ids + source.n_ids);
  encoding.offsets.resize(source.n_ids);
  for (size_t i = 0; i < source.n_ids; ++i) {
    encoding.offsets[i] = {static_cast<int64_t>(source.spans[2 * i]),
                           static_cast<int64_t>(source.spans[2 * i + 1])};
  }
  weir_hf_encoding_free(source);
  return encoding;
}

// No exception may pass through Rust: it waits here until the call is over.
struct TextsForRust {
  const NextText& next;
  std::string text;
  std::exception_ptr failure;
};

bool next_for_rust(void* context, WeirHfSlice* text) noexcept {
  auto& texts = *static_cast<TextsForRust*>(context);
  try {
    if (!texts.next(&texts.text)) return false;
    *text = slice(texts.text);
    return true;
  } catch (...) {
    texts.failure = std::current_exception();
    return false;
  }
}

}  // namespace

std::string_view VocabularyTable::token(int64_t id) const {
  const auto index = static_cast<size_t>(id);
  const uint64_t begin = index == 0 ? 0 : ends[index - 1];
  return std::string_view(text).substr(begin, ends[index] - begin);
}
bool VocabularyTable::is_token(int64_t id) const {
  return (flags[static_cast<size_t>(id)] & kWeirHfIsToken) != 0;
}
bool VocabularyTable::is_added(int64_t id) const {
  return (flags[static_cast<size_t>(id)] & kWeirHfIsAdded) != 0;
}
bool VocabularyTable::is_special(int64_t id) const {
  return (flags[static_cast<size_t>(id)] & kWeirHfIsSpecial) != 0;
}

HfTokenizer::HfTokenizer(WeirHfTokenizer* tokenizer, std::string name)
    : tokenizer_(tokenizer), words_(weir_hf_words_create()), name_(std::move(name)) {}

void HfTokenizer::Free::operator()(WeirHfTokenizer* tokenizer) const { weir_hf_free(tokenizer); }
void HfTokenizer::Free::operator()(WeirHfWords* words) const { weir_hf_words_free(words); }

HfTokenizer HfTokenizer::from_json(std::string_view json, std::string name) {
  WeirHfTokenizer* tokenizer = nullptr;
  WeirHfBytes error{};
  WeirHfStatus status = weir_hf_create(slice(json), &tokenizer, &error);
  if (status == kWeirHfNotUtf8) status = kWeirHfFailed;  // The bytes of a file, not an argument.
  check(status, error, name, "make a tokenizer of it");
  return HfTokenizer(tokenizer, std::move(name));
}

HfTokenizer HfTokenizer::train(const NextText& next, const BpeTrainOptions& options) {
  TextsForRust texts{next, {}, nullptr};
  const std::vector<WeirHfSlice> special = slices(options.special_tokens);
  WeirHfTokenizer* tokenizer = nullptr;
  WeirHfBytes error{};
  const WeirHfStatus status =
      weir_hf_train_bpe(next_for_rust, &texts, special.data(), special.size(),
                        static_cast<size_t>(options.vocab_size),
                        static_cast<uint64_t>(options.min_frequency), &tokenizer, &error);
  if (texts.failure) {
    if (status == kWeirHfOk) weir_hf_free(tokenizer);
    if (status != kWeirHfOk) weir_hf_bytes_free(error);
    std::rethrow_exception(texts.failure);
  }
  check(status, error, "BPE training", "train a tokenizer");
  return HfTokenizer(tokenizer, "trained tokenizer");
}

void HfTokenizer::add_tokens(std::string_view json) {
  WeirHfBytes error{};
  check(weir_hf_add_tokens(tokenizer_.get(), slice(json), &error), error, name_,
        "add its special tokens");
}

void HfTokenizer::set_frame(std::optional<int64_t> before, std::optional<int64_t> after) {
  WeirHfBytes error{};
  check(weir_hf_frame(tokenizer_.get(), before.value_or(-1), after.value_or(-1), &error), error,
        name_, "set the tokens around a text");
}

Encoding HfTokenizer::encode(std::string_view text, bool add_special) const {
  WeirHfEncoding encoding{};
  WeirHfBytes error{};
  check(weir_hf_encode(tokenizer_.get(), slice(text), add_special, &encoding, &error), error, name_,
        "encode a text");
  return take(encoding);
}

std::vector<Encoding> HfTokenizer::encode_batch(const std::vector<std::string>& texts,
                                                bool add_special) const {
  const std::vector<WeirHfSlice> text_slices = slices(texts);
  std::vector<WeirHfEncoding> encodings(texts.size());
  WeirHfBytes error{};
  check(weir_hf_encode_batch(tokenizer_.get(), text_slices.data(), text_slices.size(), add_special,
                             encodings.data(), &error),
        error, name_, "encode a batch");
  std::vector<Encoding> result;
  result.reserve(encodings.size());
  for (const WeirHfEncoding& encoding : encodings) result.push_back(take(encoding));
  return result;
}

IdLists HfTokenizer::encode_ids(const std::vector<std::string_view>& texts, bool by_words) const {
  const std::vector<WeirHfSlice> text_slices = slices(texts);
  WeirHfIdLists source{};
  WeirHfBytes error{};
  check(weir_hf_encode_ids(tokenizer_.get(), by_words ? words_.get() : nullptr, text_slices.data(),
                           text_slices.size(), &source, &error),
        error, name_, "encode a batch");
  IdLists lists;
  lists.ids.assign(source.ids, source.ids + source.n_ids);
  lists.ends.assign(source.ends, source.ends + source.n_ends);
  weir_hf_id_lists_free(source);
  return lists;
}

std::string HfTokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  std::vector<uint32_t> narrow;
  narrow.reserve(ids.size());
  for (const int64_t id : ids) {
    require(id >= 0 && id <= UINT32_MAX, "decode: expected token ids of 0 or more, got {}", id);
    narrow.push_back(static_cast<uint32_t>(id));
  }
  WeirHfBytes text{};
  WeirHfBytes error{};
  check(weir_hf_decode(tokenizer_.get(), narrow.data(), narrow.size(), skip_special, &text, &error),
        error, name_, "decode ids");
  return take(text);
}

std::optional<int64_t> HfTokenizer::id_of(std::string_view token) const {
  int64_t id = -1;
  WeirHfBytes error{};
  check(weir_hf_token_to_id(tokenizer_.get(), slice(token), &id, &error), error, name_,
        "look up a token");
  return id < 0 ? std::nullopt : std::optional<int64_t>(id);
}

VocabularyTable HfTokenizer::vocabulary() const {
  WeirHfVocabulary source{};
  WeirHfBytes error{};
  check(weir_hf_vocabulary(tokenizer_.get(), &source, &error), error, name_, "read its vocabulary");
  VocabularyTable table;
  table.text.assign(source.text.data, source.text.size);
  table.ends.assign(source.ends, source.ends + source.n_ids);
  table.flags.assign(source.flags, source.flags + source.n_ids);
  if (source.unk >= 0) table.unk = source.unk;
  table.is_byte_level = (source.spelling & kWeirHfByteLevel) != 0;
  table.has_meta_space = (source.spelling & kWeirHfMetaSpace) != 0;
  table.has_byte_fallback = (source.spelling & kWeirHfByteFallback) != 0;
  weir_hf_vocabulary_free(source);
  return table;
}

std::string HfTokenizer::to_json() const {
  WeirHfBytes text{};
  WeirHfBytes error{};
  check(weir_hf_to_json(tokenizer_.get(), &text, &error), error, name_, "write it as JSON");
  return take(text);
}

std::string render_template(std::string_view source, std::string_view context_json) {
  WeirHfBytes text{};
  WeirHfBytes error{};
  const WeirHfStatus status = weir_hf_render(slice(source), slice(context_json), &text, &error);
  if (status == kWeirHfOk) return take(text);
  const std::string message = io::printable(take(error), kMessageBytes);
  if (status == kWeirHfRefused) {
    fail(ErrorCode::kInvalidArgument, "the chat template refuses: {}", message);
  }
  fail(ErrorCode::kCorruptData, "the chat template does not work: {}", message);
}

}  // namespace weir::text
