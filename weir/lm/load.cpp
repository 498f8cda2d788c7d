#include <algorithm>

#include "weir/base/error.h"
#include "weir/io/gguf.h"
#include "weir/io/llama2c.h"
#include "weir/io/sha256.h"
#include "weir/lm/language_model.h"

namespace weir {
namespace {

namespace fs = std::filesystem;

using TokenizerHandle = std::shared_ptr<const LazyTokenizer>;

TokenizerHandle later(std::function<Tokenizer()> make) {
  return std::make_shared<const LazyTokenizer>(std::move(make));
}

TokenizerHandle tokenizer_of_folder(const fs::path& folder) {
  if (!Tokenizer::is_in_folder(folder)) return nullptr;
  return later([folder] { return Tokenizer::from_folder(folder); });
}

TokenizerHandle tokenizer_of_gguf(const fs::path& path) {
  io::GgufFile file = io::read_gguf(path);
  if (file.find("tokenizer.ggml.tokens") == nullptr) return nullptr;
  return later([file = std::move(file)] { return Tokenizer::from_gguf(file); });
}

// llama2.c keeps its vocabulary beside the model: tok512.bin for one of 512 tokens, else
// tokenizer.bin.
TokenizerHandle tokenizer_of_llama2c(const fs::path& path, int64_t n_vocab) {
  for (const std::string& name :
       {"tok" + std::to_string(n_vocab) + ".bin", std::string("tokenizer.bin")}) {
    const fs::path file = path.parent_path() / name;
    if (fs::exists(file)) {
      return later([file, n_vocab] { return Tokenizer::from_llama2c(file, n_vocab); });
    }
  }
  return nullptr;
}

TokenizerHandle find_tokenizer(const fs::path& path, int64_t n_vocab) {
  if (fs::is_directory(path)) return tokenizer_of_folder(path);
  if (path.extension() == ".gguf") return tokenizer_of_gguf(path);
  if (path.extension() == ".bin") return tokenizer_of_llama2c(path, n_vocab);
  return nullptr;
}

// The files that load_model reads weights from, in name order.
std::vector<fs::path> weight_files(const fs::path& path) {
  if (path.extension() == ".gguf") return io::gguf_part_paths(io::read_gguf(path), path);
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> files;
  for (const char* extension : {".safetensors", ".bin"}) {
    const std::string stem = extension == std::string(".bin") ? "pytorch_model" : "model";
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      const std::string name = entry.path().filename().string();
      if (entry.path().extension() == extension && name.rfind(stem, 0) == 0) {
        files.push_back(entry.path());
      }
    }
    if (!files.empty()) break;
  }
  std::sort(files.begin(), files.end());
  return files;
}

// Of one file its sha256; of shards the sha256 of their digests in name order.
std::string weights_hash(const fs::path& path) {
  const std::vector<fs::path> files = weight_files(path);
  if (files.size() == 1) return io::sha256_file(files[0]);
  std::string digests;
  for (const fs::path& file : files) digests += io::sha256_file(file);
  return io::sha256_hex(digests);
}

}  // namespace

Tokenizer load_tokenizer(const fs::path& model) {
  if (fs::is_directory(model)) return Tokenizer::from_folder(model);  // Says what it looked for.
  const bool is_llama2c = model.extension() == ".bin";
  const int64_t n_vocab = is_llama2c ? io::read_llama2c(model).config.vocab_size : 0;
  const TokenizerHandle tokenizer = find_tokenizer(model, n_vocab);
  if (!tokenizer) fail(ErrorCode::kNotFound, "no tokenizer belongs to '{}'", model.string());
  return tokenizer->get();
}

LanguageModel LanguageModel::load(const fs::path& path, const LoadOptions& options) {
  LoadedModel model = load_model(path);
  if (options.hash) model.sha256 = weights_hash(path);
  TokenizerHandle tokenizer = find_tokenizer(path, model.config.d_vocab);
  return LanguageModel(options, std::move(model), std::move(tokenizer));
}

}  // namespace weir
