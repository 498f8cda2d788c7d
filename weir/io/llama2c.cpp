#include "weir/io/llama2c.h"

#include <string>
#include <utility>
#include <vector>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"
#include "weir/io/little_endian.h"

namespace weir::io {
namespace {

constexpr uint32_t kMagic = 0x616b3432;  // "ak42"
constexpr uint64_t kLegacyHeaderBytes = 7 * sizeof(int32_t);
constexpr uint64_t kHeaderBytes = 256;
constexpr uint64_t kIsTiedOffset = 2 * sizeof(int32_t) + kLegacyHeaderBytes;
// Far above any real model, and small enough that no product of four overflows.
constexpr int64_t kMaxLayers = 1 << 12;
constexpr int64_t kMaxSize = 1 << 20;
constexpr int64_t kMaxVocabulary = 1 << 24;

[[noreturn]] void corrupt(const MappedFile& file, const std::string& fault) {
  fail(ErrorCode::kCorruptData, "{}: not a valid llama2.c checkpoint: {}", file.path(), fault);
}

void check(const MappedFile& file, const Llama2cConfig& config) {
  const auto check_range = [&](const char* name, int64_t value, int64_t max) {
    if (value >= 1 && value <= max) return;
    corrupt(file, fmt::format("{} is {}, expected 1 to {}", name, value, max));
  };
  check_range("dim", config.dim, kMaxSize);
  check_range("hidden_dim", config.hidden_dim, kMaxSize);
  check_range("n_layers", config.n_layers, kMaxLayers);
  check_range("n_heads", config.n_heads, config.dim);
  check_range("n_kv_heads", config.n_kv_heads, config.n_heads);
  check_range("vocab_size", config.vocab_size, kMaxVocabulary);
  check_range("seq_len", config.seq_len, kMaxVocabulary);
  if (config.dim % config.n_heads != 0 || config.n_heads % config.n_kv_heads != 0) {
    corrupt(file, fmt::format("dim {}, n_heads {} and n_kv_heads {} do not divide", config.dim,
                              config.n_heads, config.n_kv_heads));
  }
  if (config.dim / config.n_heads % 2 != 0) {
    corrupt(file, fmt::format("heads of {} channels cannot be rotated by pairs",
                              config.dim / config.n_heads));
  }
}

Llama2cConfig read_sizes(std::string_view bytes, uint64_t place) {
  int32_t value[7];
  for (int32_t& number : value) {
    number = load<int32_t>(bytes, place);
    place += sizeof(number);
  }
  Llama2cConfig config;
  config.dim = value[0];
  config.hidden_dim = value[1];
  config.n_layers = value[2];
  config.n_heads = value[3];
  config.n_kv_heads = value[4];
  config.vocab_size = value[5];
  config.seq_len = value[6];
  return config;
}

Llama2cConfig read_config(const MappedFile& file) {
  const std::string_view bytes = file.bytes();
  if (bytes.size() < kLegacyHeaderBytes) {
    corrupt(file, fmt::format("{} bytes are too few for a header", bytes.size()));
  }
  Llama2cConfig config;
  if (load<uint32_t>(bytes, 0) == kMagic) {
    const auto version = load<int32_t>(bytes, sizeof(kMagic));
    if (version != 1) {
      fail(ErrorCode::kUnsupported,
           "{}: version {} of the llama2.c format; the legacy form and version 1 (fp32) are read",
           file.path(), version);
    }
    if (bytes.size() < kHeaderBytes) corrupt(file, "the header is cut");
    config = read_sizes(bytes, 2 * sizeof(int32_t));
    const auto is_tied = load<uint8_t>(bytes, kIsTiedOffset);
    if (is_tied > 1)
      corrupt(file, fmt::format("shared_classifier is {}, expected 0 or 1", is_tied));
    config.is_tied = is_tied == 1;
    config.version = 1;
  } else {
    config = read_sizes(bytes, 0);
    config.is_tied = config.vocab_size > 0;  // The sign says so.
    config.vocab_size = config.is_tied ? config.vocab_size : -config.vocab_size;
  }
  check(file, config);
  return config;
}

/// Hands out the tensors one after the other.
class TensorReader {
 public:
  TensorReader(const std::shared_ptr<const MappedFile>& file, uint64_t place, TensorMap* map)
      : file_(file), place_(place), map_(map) {}

  void read(std::string name, std::vector<int64_t> shape) {
    map_->tensors.push_back(
        file_tensor(file_, std::move(name), DType::kF32, std::move(shape), place_));
    place_ += map_->tensors.back().n_bytes;
  }
  // One tensor for each layer.
  void read_layers(int64_t n_layers, const char* name, const std::vector<int64_t>& shape) {
    for (int64_t layer = 0; layer < n_layers; ++layer) {
      read(fmt::format("model.layers.{}.{}.weight", layer, name), shape);
    }
  }
  void skip(int64_t n_elements) { place_ += static_cast<uint64_t>(n_elements) * sizeof(float); }
  uint64_t place() const { return place_; }

 private:
  const std::shared_ptr<const MappedFile>& file_;
  uint64_t place_;
  TensorMap* map_;
};

void read_legacy(const Llama2cConfig& config, TensorReader* reader) {
  const int64_t kv_dim = config.dim / config.n_heads * config.n_kv_heads;
  const int64_t n_layers = config.n_layers;
  reader->read("model.embed_tokens.weight", {config.vocab_size, config.dim});
  reader->read_layers(n_layers, "input_layernorm", {config.dim});
  reader->read_layers(n_layers, "self_attn.q_proj", {config.dim, config.dim});
  reader->read_layers(n_layers, "self_attn.k_proj", {kv_dim, config.dim});
  reader->read_layers(n_layers, "self_attn.v_proj", {kv_dim, config.dim});
  reader->read_layers(n_layers, "self_attn.o_proj", {config.dim, config.dim});
  reader->read_layers(n_layers, "post_attention_layernorm", {config.dim});
  reader->read_layers(n_layers, "mlp.gate_proj", {config.hidden_dim, config.dim});
  reader->read_layers(n_layers, "mlp.down_proj", {config.dim, config.hidden_dim});
  reader->read_layers(n_layers, "mlp.up_proj", {config.hidden_dim, config.dim});
  reader->read("model.norm.weight", {config.dim});
  // Cosines and sines of the rotation, each [seq_len, head / 2].
  reader->skip(config.seq_len * (config.dim / config.n_heads));
}

void read_version_1(const Llama2cConfig& config, TensorReader* reader) {
  const int64_t kv_dim = config.dim / config.n_heads * config.n_kv_heads;
  const int64_t n_layers = config.n_layers;
  reader->read_layers(n_layers, "input_layernorm", {config.dim});
  reader->read_layers(n_layers, "post_attention_layernorm", {config.dim});
  reader->read("model.norm.weight", {config.dim});
  reader->read("model.embed_tokens.weight", {config.vocab_size, config.dim});
  reader->read_layers(n_layers, "self_attn.q_proj", {config.dim, config.dim});
  reader->read_layers(n_layers, "self_attn.k_proj", {kv_dim, config.dim});
  reader->read_layers(n_layers, "self_attn.v_proj", {kv_dim, config.dim});
  reader->read_layers(n_layers, "self_attn.o_proj", {config.dim, config.dim});
  reader->read_layers(n_layers, "mlp.gate_proj", {config.hidden_dim, config.dim});
  reader->read_layers(n_layers, "mlp.down_proj", {config.dim, config.hidden_dim});
  reader->read_layers(n_layers, "mlp.up_proj", {config.hidden_dim, config.dim});
}

}  // namespace

Llama2cFile read_llama2c(const std::filesystem::path& path) {
  return parse_llama2c(MappedFile::open(path));
}

Llama2cFile parse_llama2c(const std::shared_ptr<const MappedFile>& file) {
  Llama2cFile result;
  result.config = read_config(*file);
  result.tensors.source = file->path();
  const bool is_legacy = result.config.version == 0;
  TensorReader reader(file, is_legacy ? kLegacyHeaderBytes : kHeaderBytes, &result.tensors);
  if (is_legacy) {
    read_legacy(result.config, &reader);
  } else {
    read_version_1(result.config, &reader);
  }
  if (!result.config.is_tied) {
    reader.read("lm_head.weight", {result.config.vocab_size, result.config.dim});
  }
  if (reader.place() != file->size()) {
    corrupt(*file, fmt::format("its header needs {} bytes, the file has {}", reader.place(),
                               file->size()));
  }
  return result;
}

}  // namespace weir::io
