#include "weir/text/tokenizer.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/gguf.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/text/gguf_vocabulary.h"
#include "weir/text/llama2c_vocabulary.h"
#include "weir/text/sentencepiece.h"
#include "weir/text/tokenizer_state.h"

namespace weir {
namespace {

using text::HfTokenizer;
using text::TokenizerSource;

// Tokens in the vocabulary's own spelling, so that an encoding shows what id_of understands.
void name_tokens(const text::VocabularyTable& vocabulary, Encoding* encoding) {
  encoding->tokens.reserve(encoding->ids.size());
  for (const int64_t id : encoding->ids) encoding->tokens.emplace_back(vocabulary.token(id));
}

constexpr size_t kManyBytes = size_t{1} << 20;

// A lone tokenizer.json does not say what its special tokens are for; these are so in every model.
std::optional<int64_t> well_known_eos(const text::VocabularyTable& vocabulary) {
  for (int64_t id = 0; id < vocabulary.size(); ++id) {
    if (!vocabulary.is_special(id)) continue;
    const std::string_view token = vocabulary.token(id);
    if (token == "<|endoftext|>" || token == "</s>" || token == "<eos>") return id;
  }
  return std::nullopt;
}

}  // namespace

// From a source that says more than a tokenizer.json does.
std::shared_ptr<const Tokenizer::State> Tokenizer::make_state(const TokenizerSource& source,
                                                              const std::string& name) {
  HfTokenizer tokenizer = HfTokenizer::from_json(source.json, name);
  text::set_frame(&tokenizer, source.adds_bos, source.adds_eos, source.bos, source.eos);
  auto state = std::make_shared<State>(std::move(tokenizer));
  state->special = {source.bos, source.eos, source.pad, std::nullopt, source.end_of_generation};
  state->chat_template = source.chat_template;
  state->complete_special();
  return state;
}

Tokenizer::Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Tokenizer Tokenizer::from_json(std::string_view json) {
  auto state = std::make_shared<State>(HfTokenizer::from_json(json, "tokenizer.json"));
  const std::vector<int64_t> frame = state->hf.encode("", true).ids;
  state->special.eos = well_known_eos(state->vocabulary);
  if (!frame.empty() && frame.front() != state->special.eos) state->special.bos = frame.front();
  state->complete_special();
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::from_gguf(const io::GgufFile& file) {
  return Tokenizer(make_state(text::read_gguf_vocabulary(file), "GGUF vocabulary"));
}

Tokenizer Tokenizer::from_sentencepiece(const std::filesystem::path& path) {
  const auto file = io::MappedFile::open(path);
  const text::SentencePieceModel model = text::parse_sentencepiece(file->bytes(), file->path());
  return Tokenizer(make_state(text::source_of(model, file->path()), file->path()));
}

Tokenizer Tokenizer::from_llama2c(const std::filesystem::path& path, int64_t vocab_size) {
  const auto file = io::MappedFile::open(path);
  return Tokenizer(make_state(
      text::parse_llama2c_vocabulary(file->bytes(), vocab_size, file->path()), file->path()));
}

Encoding Tokenizer::encode(std::string_view text, bool add_special) const {
  Encoding encoding = state_->hf.encode(text, add_special);
  name_tokens(state_->vocabulary, &encoding);
  return encoding;
}

std::vector<Encoding> Tokenizer::encode_batch(const std::vector<std::string>& texts,
                                              bool add_special) const {
  std::vector<Encoding> encodings = state_->hf.encode_batch(texts, add_special);
  for (Encoding& encoding : encodings) name_tokens(state_->vocabulary, &encoding);
  return encodings;
}

IdLists Tokenizer::encode_ids(const std::vector<std::string_view>& texts) const {
  size_t n_bytes = 0;
  for (const std::string_view text : texts) n_bytes += text.size();
  // The question takes as long as some 300 KB of text.
  const bool by_words = n_bytes >= kManyBytes && state_->allows_word_cuts();
  return state_->hf.encode_ids(texts, by_words);
}

std::string Tokenizer::decode(const std::vector<int64_t>& ids, bool skip_special) const {
  return state_->hf.decode(ids, skip_special);
}

int64_t Tokenizer::vocab_size() const { return state_->vocabulary.size(); }

std::string Tokenizer::token(int64_t id) const {
  require(id >= 0 && id < vocab_size(), "token id {}: the vocabulary has the ids 0 to {}", id,
          vocab_size() - 1);
  return std::string(state_->vocabulary.token(id));
}

std::optional<int64_t> Tokenizer::id_of(std::string_view token) const {
  return state_->hf.id_of(token);
}

const SpecialIds& Tokenizer::special() const { return state_->special; }

bool Tokenizer::is_special(int64_t id) const {
  return id >= 0 && id < vocab_size() && state_->vocabulary.is_special(id);
}

const std::optional<std::string>& Tokenizer::chat_template() const { return state_->chat_template; }

std::string Tokenizer::to_json() const { return state_->hf.to_json(); }

std::string Tokenizer::generation_config() const {
  auto config = nlohmann::ordered_json::parse(state_->generation_config);
  const SpecialIds& special = state_->special;
  if (special.bos) config["bos_token_id"] = *special.bos;
  if (special.pad) config["pad_token_id"] = *special.pad;
  const std::vector<int64_t>& ends = special.end_of_generation;
  if (ends.size() == 1) config["eos_token_id"] = ends.front();
  if (ends.size() > 1) config["eos_token_id"] = ends;
  return io::dump_json(config, 2) + "\n";
}

void Tokenizer::save(const std::filesystem::path& folder) const {
  nlohmann::ordered_json config;
  const auto name = [&](const char* key, const std::optional<int64_t>& id) {
    if (id) config[key] = token(*id);
  };
  name("bos_token", state_->special.bos);
  name("eos_token", state_->special.eos);
  name("pad_token", state_->special.pad);
  name("unk_token", state_->special.unk);
  config["clean_up_tokenization_spaces"] = false;
  config["tokenizer_class"] = "PreTrainedTokenizerFast";
  std::filesystem::create_directories(folder);
  io::write_file(folder / "tokenizer.json", to_json());
  io::write_file(folder / "tokenizer_config.json", io::dump_json(config, 2) + "\n");
  io::write_file(folder / "generation_config.json", generation_config());
  if (chat_template()) io::write_file(folder / "chat_template.jinja", *chat_template());
}

Tokenizer train_bpe(const NextText& next, const BpeTrainOptions& options) {
  const auto n_special = static_cast<int64_t>(options.special_tokens.size());
  require(options.vocab_size >= 256 + n_special && options.vocab_size < int64_t{1} << 24,
          "BPE training: expected a vocabulary of at least 256 bytes and {} special tokens, got {}",
          n_special, options.vocab_size);
  require(options.min_frequency >= 0, "BPE training: expected a frequency of 0 or more, got {}",
          options.min_frequency);
  return Tokenizer::from_json(HfTokenizer::train(next, options).to_json());
}

Tokenizer train_bpe(const std::vector<std::string>& texts, const BpeTrainOptions& options) {
  size_t n = 0;
  const NextText next = [&](std::string* text) {
    if (n == texts.size()) return false;
    *text = texts[n++];
    return true;
  };
  return train_bpe(next, options);
}

}  // namespace weir
