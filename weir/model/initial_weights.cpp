#include "weir/model/initial_weights.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/hooks/hooks.h"
#include "weir/io/json.h"
#include "weir/model/config_reader.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int64_t kGrain = 1 << 14;

// SplitMix64 (Steele et al. 2014) of a counter: number `i` of a stream without the ones before it.
uint64_t mixed(uint64_t key, uint64_t i) {
  uint64_t z = key + (i + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// FNV-1a; std::hash differs between libraries.
uint64_t hash_of(const std::string& name) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// In (0, 1): the upper 53 bits and a half.
double uniform(uint64_t bits) {
  return (static_cast<double>(bits >> 11) + 0.5) / 9007199254740992.0;
}

// Box and Muller (1958), a pair of uniform numbers for each value.
void fill_normal(const at::Tensor& tensor, double std, uint64_t key) {
  auto* values = tensor.data_ptr<float>();
  at::parallel_for(0, tensor.numel(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const double radius = std::sqrt(-2 * std::log(uniform(mixed(key, 2 * i))));
      const double angle = 2 * kPi * uniform(mixed(key, 2 * i + 1));
      values[i] = static_cast<float>(std * radius * std::cos(angle));
    }
  });
}

class Filler {
 public:
  Filler(const ModelConfig& config, const ConfigReader& read, uint64_t seed)
      : config_(config),
        std_(read.number_or("initializer_range", read.number_or("init_std", 0.02))),
        seed_(mixed(seed, 0)) {
    pad_ = io::find_int(read.json(), "pad_token_id", -1, config.d_vocab - 1, "config.json")
               .value_or(-1);
  }

  void fill(const std::string& name, at::Tensor tensor) const {
    if (tensor.dim() == 1) {
      const bool is_gain = ends_with(name, ".weight");
      tensor.fill_(is_gain ? 1 - config_.norm_offset : 0);
      return;
    }
    fill_normal(tensor, std_of(name), seed_ ^ hash_of(name));
    if (pad_ >= 0 && ends_with(name, "embed_tokens.weight")) tensor.select(0, pad_).zero_();
  }

 private:
  double std_of(const std::string& name) const {
    const bool is_gpt2 = config_.family == "gpt2" || config_.family == "nanogpt";
    if (!is_gpt2 || !ends_with(name, ".c_proj.weight")) return std_;
    return std_ / std::sqrt(2.0 * static_cast<double>(config_.n_layers));
  }

  const ModelConfig& config_;
  double std_;
  uint64_t seed_;
  int64_t pad_;
};

}  // namespace

LoadedModel initial_weights(const nlohmann::json& config_json, uint64_t seed) {
  const ConfigReader read(config_json);
  const Family& kind = family(read.text_or("model_type", ""));
  const ModelConfig config = kind.config(config_json);
  const io::TensorMap nothing;
  CheckpointReader reader(nothing);
  reader.make_missing();
  kind.weights(config, config_json, reader);  // Asks for every tensor.
  const Filler filler(config, read, seed);
  io::TensorMap tensors;
  tensors.source = "new " + kind.name;
  for (const io::TensorView& tensor : reader.made()) {
    filler.fill(tensor.name, to_tensor(tensor));
    tensors.tensors.push_back(tensor);
  }
  LoadedModel model = load_model(config_json, tensors, tensors.source);
  model.is_own = true;
  return model;
}

}  // namespace weir
