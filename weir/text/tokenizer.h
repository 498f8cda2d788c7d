#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::io {
class GgufFile;
}

namespace weir {
namespace text {
struct TokenizerSource;
}

/// Bytes [begin, end) of the UTF-8 text that a token stands for.
struct ByteSpan {
  int64_t begin = 0, end = 0;
};

/// A text as tokens. The three lists have the same length; special tokens that were added (BOS)
/// have empty spans.
struct Encoding {
  std::vector<int64_t> ids;
  std::vector<std::string> tokens;  ///< As the vocabulary spells them ("Ġthe").
  std::vector<ByteSpan> offsets;
};

/// The ids of several texts end to end; those of text i end at ends[i].
struct IdLists {
  std::vector<uint32_t> ids;
  std::vector<uint64_t> ends;
};

/// The ids that mark beginning, end and padding, as far as the files state them.
struct SpecialIds {
  std::optional<int64_t> bos, eos, pad, unk;
  std::vector<int64_t> end_of_generation;  ///< Every id after which a model stops by itself.
};

/// Text to token ids and back, exactly as Hugging Face's `tokenizers` does it (the same library,
/// behind weir/text/hf). Every source of a vocabulary becomes the same object. Const methods are
/// safe from several threads. Copying copies a handle.
class Tokenizer {
 public:
  /// A Hugging Face folder: tokenizer.json, else tokenizer.model, else vocab.json + merges.txt
  /// (or encoder.json + vocab.bpe); tokenizer_config.json, special_tokens_map.json,
  /// generation_config.json and chat_template.jinja when present. kNotFound when the folder has no
  /// vocabulary.
  static Tokenizer from_folder(const std::filesystem::path& folder);
  /// Whether from_folder would find a vocabulary there.
  static bool is_in_folder(const std::filesystem::path& folder);
  /// The text of a tokenizer.json.
  static Tokenizer from_json(std::string_view json);
  /// The vocabulary inside a GGUF file (tokenizer.ggml.model "gpt2" with its `pre`, or "llama").
  static Tokenizer from_gguf(const io::GgufFile& file);
  /// A bare SentencePiece tokenizer.model.
  static Tokenizer from_sentencepiece(const std::filesystem::path& file);
  /// vocab.json (or GPT-2's encoder.json) and merges.txt (or vocab.bpe), byte-level BPE.
  static Tokenizer from_vocab_and_merges(const std::filesystem::path& vocab,
                                         const std::filesystem::path& merges);
  /// llama2.c's tokenizer.bin, for a model with `vocab_size` tokens.
  static Tokenizer from_llama2c(const std::filesystem::path& file, int64_t vocab_size);

  /// `add_special`: BOS and whatever else the tokenizer's own rules add. Special tokens spelled in
  /// the text are recognised.
  Encoding encode(std::string_view text, bool add_special = true) const;
  std::vector<Encoding> encode_batch(const std::vector<std::string>& texts,
                                     bool add_special = true) const;
  /// Ids alone, without special tokens around the texts, for much text: by all CPUs, faster, and in
  /// a small part of the memory.
  IdLists encode_ids(const std::vector<std::string_view>& texts) const;
  std::string decode(const std::vector<int64_t>& ids, bool skip_special = false) const;

  int64_t vocab_size() const;  ///< Highest id + 1, added tokens included.
  /// The vocabulary's spelling of an id ("Ġthe"); kInvalidArgument when out of range.
  std::string token(int64_t id) const;
  std::optional<int64_t> id_of(std::string_view token) const;
  /// What the token means to a reader: the text it decodes to alone; incomplete UTF-8 is shown
  /// as "<0xE2>". Ids without a token (models often have more rows than the vocabulary, and
  /// vocabularies have gaps) are shown as "<50300>".
  std::string display(int64_t id) const;
  const SpecialIds& special() const;
  bool is_special(int64_t id) const;

  /// Jinja source of the chat template, if the files hold one.
  const std::optional<std::string>& chat_template() const;

  /// The tokenizer.json that stands for this tokenizer.
  std::string to_json() const;
  /// Writes tokenizer.json, tokenizer_config.json, generation_config.json (every id that ends a
  /// generation, beside what the source's file said) and chat_template.jinja for Hugging Face's
  /// tools.
  void save(const std::filesystem::path& folder) const;

 private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state);
  static std::shared_ptr<const State> make_state(const text::TokenizerSource& source,
                                                 const std::string& name);
  std::string generation_config() const;
  std::shared_ptr<const State> state_;
  friend class StreamDecoder;
};

/// Decodes a stream of ids: `push` returns the text that has become certain. A character whose
/// bytes are still incomplete is held back.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, bool skip_special = true);
  std::string push(int64_t id);
  /// What is still held back (incomplete bytes as U+FFFD).
  std::string finish();

 private:
  std::string advance(const std::string& text);

  Tokenizer tokenizer_;
  bool skip_special_;
  std::vector<int64_t> ids_;  ///< Context that has been shown, then what is held back.
  size_t n_context_ = 0;
  size_t n_context_bytes_ = 0;  ///< Of the context's text.
};

struct BpeTrainOptions {
  int64_t vocab_size = 4096;
  int64_t min_frequency = 2;
  std::vector<std::string> special_tokens = {"<|endoftext|>"};
};

/// Puts the next text in its place; false when there is none left. Called from several threads, one
/// at a time.
using NextText = std::function<bool(std::string* text)>;

/// Trains a byte-level BPE (GPT-2's pre-tokenizer) on texts; deterministic. Only words and how
/// often they came are kept: a text is gone when the next one is asked for.
Tokenizer train_bpe(const NextText& next, const BpeTrainOptions& options = {});
Tokenizer train_bpe(const std::vector<std::string>& texts, const BpeTrainOptions& options = {});

}  // namespace weir
