#include <filesystem>
#include <set>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/io/printable.h"
#include "weir/text/folder_settings.h"
#include "weir/text/json_text.h"
#include "weir/text/pre_tokenizer.h"
#include "weir/text/sentencepiece.h"
#include "weir/text/tokenizer_state.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using text::FolderSettings;
using text::HfTokenizer;
using text::TokenizerSource;

// The merges of a merges.txt: a line each, after a line that names the version.
std::string merges_json(std::string_view lines) {
  std::string json = "[";
  while (!lines.empty()) {
    const size_t end = lines.find('\n');
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    if (line.empty() || line.substr(0, 8) == "#version") continue;
    if (json.size() > 1) json += ',';
    text::append_json_string(&json, line);
  }
  return json + "]";
}

// How the tokenizers that come as vocab.json and merges.txt cut words; see pre_tokenizer.h.
std::string_view pre_tokenizer_of(const FolderSettings& settings, const fs::path& folder) {
  static const std::set<std::string_view> kGpt2Like = {"", "GPT2Tokenizer", "CodeGenTokenizer",
                                                       "OPTTokenizer", "PreTrainedTokenizer"};
  if (kGpt2Like.count(settings.tokenizer_class) > 0) return "gpt-2";
  if (settings.tokenizer_class == "GPTNeoXTokenizer") return "gpt-neox";
  if (settings.tokenizer_class == "Qwen2Tokenizer") return "qwen2";
  fail(ErrorCode::kUnsupported,
       "{}: expected the tokenizer class GPT2Tokenizer, CodeGenTokenizer, GPTNeoXTokenizer or "
       "Qwen2Tokenizer beside vocab.json and merges.txt, found '{}'; save a tokenizer.json with "
       "Hugging Face's tools",
       folder.string(), io::printable(settings.tokenizer_class));
}

TokenizerSource source_from_merges(const fs::path& vocab, const fs::path& merges,
                                   std::string_view pre_tokenizer, bool adds_prefix_space) {
  const auto vocab_file = io::MappedFile::open(vocab);
  const auto merges_file = io::MappedFile::open(merges);
  const text::PreTokenizer& pre = text::find_pre_tokenizer(pre_tokenizer, vocab.string());
  TokenizerSource source;
  source.json = text::byte_level_bpe_json(
      pre, vocab_file->bytes(), merges_json(merges_file->bytes()), "[]", adds_prefix_space);
  return source;
}

// Where the vocabulary of a folder is.
struct VocabularyFiles {
  fs::path vocabulary;
  fs::path merges;  // Only beside a vocab.json or encoder.json.
};

std::optional<VocabularyFiles> find_vocabulary(const fs::path& folder) {
  for (const char* whole : {"tokenizer.json", "tokenizer.model"}) {
    if (fs::exists(folder / whole)) return VocabularyFiles{folder / whole, {}};
  }
  for (const char* vocabulary : {"vocab.json", "encoder.json"}) {
    for (const char* merges : {"merges.txt", "vocab.bpe"}) {
      if (fs::exists(folder / vocabulary) && fs::exists(folder / merges)) {
        return VocabularyFiles{folder / vocabulary, folder / merges};
      }
    }
  }
  return std::nullopt;
}

TokenizerSource read_source(const VocabularyFiles& files, const FolderSettings& settings) {
  const fs::path& path = files.vocabulary;
  if (!files.merges.empty()) {
    return source_from_merges(path, files.merges, pre_tokenizer_of(settings, path.parent_path()),
                              settings.adds_prefix_space);
  }
  const auto file = io::MappedFile::open(path);
  if (path.filename() == "tokenizer.model") {
    return text::source_of(text::parse_sentencepiece(file->bytes(), file->path()), file->path());
  }
  TokenizerSource source;
  source.json = std::string(file->bytes());
  return source;
}

// Tokens with a name are special wherever they are spelled, listed among the added ones or not.
void add_named_tokens(HfTokenizer* tokenizer, const std::vector<std::string>& names) {
  nlohmann::json list = nlohmann::json::array();
  std::set<std::string> seen;
  for (const std::string& name : names) {
    const std::optional<int64_t> id = tokenizer->id_of(name);
    if (!id || !seen.insert(name).second) continue;
    list.push_back({{"id", *id},
                    {"content", name},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", true}});
  }
  if (!list.empty()) tokenizer->add_tokens(io::dump_json(list));
}

std::vector<std::string> names_of(const FolderSettings& settings) {
  std::vector<std::string> names;
  for (const auto* name : {&settings.bos, &settings.eos, &settings.pad, &settings.unk}) {
    if (*name && !(*name)->empty()) names.push_back(**name);
  }
  return names;
}

std::optional<int64_t> find_id(const HfTokenizer& tokenizer, const std::optional<std::string>& name,
                               std::optional<int64_t> otherwise) {
  if (!name) return otherwise;
  const std::optional<int64_t> id = tokenizer.id_of(*name);
  return id ? id : otherwise;
}

}  // namespace

bool Tokenizer::is_in_folder(const fs::path& folder) { return find_vocabulary(folder).has_value(); }

Tokenizer Tokenizer::from_folder(const fs::path& folder) {
  if (!fs::is_directory(folder)) {
    fail(ErrorCode::kNotFound, "{}: expected a folder with a tokenizer", folder.string());
  }
  const std::optional<VocabularyFiles> files = find_vocabulary(folder);
  if (!files) {
    fail(ErrorCode::kNotFound,
         "{}: expected tokenizer.json, tokenizer.model, or vocab.json with merges.txt; found none",
         folder.string());
  }
  const FolderSettings settings = text::read_folder_settings(folder);
  const TokenizerSource source = read_source(*files, settings);
  HfTokenizer tokenizer = HfTokenizer::from_json(source.json, files->vocabulary.string());
  tokenizer.add_tokens(settings.added_tokens);
  add_named_tokens(&tokenizer, names_of(settings));

  SpecialIds special;
  special.bos = find_id(tokenizer, settings.bos, source.bos ? source.bos : settings.generation_bos);
  special.eos = find_id(tokenizer, settings.eos, source.eos);
  special.pad = find_id(tokenizer, settings.pad, source.pad ? source.pad : settings.generation_pad);
  special.unk = find_id(tokenizer, settings.unk, std::nullopt);
  special.end_of_generation = settings.generation_eos;
  if (!special.eos && !settings.generation_eos.empty()) special.eos = settings.generation_eos[0];
  // The post-processor of a tokenizer.json alone says what is put around a text, whatever the
  // folder states: so transformers since 5, whose GPT-NeoX class puts nothing then.
  const bool has_own_rules = files->vocabulary.filename() == "tokenizer.json";
  if (has_own_rules && settings.tokenizer_class == "GPTNeoXTokenizer") {
    text::set_frame(&tokenizer, false, false, special.bos, special.eos);
  } else if (!has_own_rules) {
    text::set_frame(&tokenizer, settings.adds_bos.value_or(source.adds_bos),
                    settings.adds_eos.value_or(source.adds_eos), special.bos, special.eos);
  }
  auto state = std::make_shared<State>(std::move(tokenizer));
  state->special = std::move(special);
  state->chat_template = settings.chat_template;
  state->generation_config = settings.generation_config;
  state->complete_special();
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::from_vocab_and_merges(const fs::path& vocab, const fs::path& merges) {
  const TokenizerSource source = source_from_merges(vocab, merges, "gpt-2", false);
  HfTokenizer tokenizer = HfTokenizer::from_json(source.json, vocab.string());
  const std::string end = "<|endoftext|>";
  add_named_tokens(&tokenizer, {end, "<s>", "</s>", "<pad>", "<unk>", "<mask>"});
  auto state = std::make_shared<State>(std::move(tokenizer));
  const HfTokenizer& hf = state->hf;
  state->special.bos = find_id(hf, end, hf.id_of("<s>"));
  state->special.eos = find_id(hf, end, hf.id_of("</s>"));
  state->special.pad = hf.id_of("<pad>");
  state->special.unk = hf.id_of("<unk>");
  state->complete_special();
  return Tokenizer(std::move(state));
}

}  // namespace weir
