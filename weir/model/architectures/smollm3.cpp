#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

// "no_rope_layers" is 1 where a layer does use rotary embedding; without it every fourth does not.
std::vector<bool> rotary_layers(const ConfigReader& read, int64_t n_layers) {
  std::vector<bool> rotary;
  if (!read.has("no_rope_layers")) {
    const int64_t interval = read.size_or("no_rope_layer_interval", 4);
    for (int64_t layer = 0; layer < n_layers; ++layer)
      rotary.push_back((layer + 1) % interval != 0);
    return rotary;
  }
  const nlohmann::json& list = read.json().at("no_rope_layers");
  if (!list.is_array() || static_cast<int64_t>(list.size()) != n_layers) {
    fail(ErrorCode::kCorruptData, "config.json: expected \"no_rope_layers\" to list {} layers",
         n_layers);
  }
  for (const nlohmann::json& flag : list) {
    if (flag != 0 && flag != 1) {
      fail(ErrorCode::kCorruptData, "config.json: expected 0 or 1 in \"no_rope_layers\"");
    }
    rotary.push_back(flag == 1);
  }
  return rotary;
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  LlamaLikeDefaults defaults;
  defaults.tied = true;
  ModelConfig config = llama_like_config(read, defaults);
  RopeDefaults rope;
  rope.theta = 2000000;
  config.rotary = read_rotary(read, config, rope);
  config.layer_has_rotary = rotary_layers(read, config.n_layers);
  std::vector<bool> slides = config.layer_has_rotary;
  slides.flip();
  const bool windowed = read.flag_or("use_sliding_window", false);
  config.layer_window =
      layer_windows(read, windowed ? read.size_or("sliding_window", 0) : 0, slides);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, {}, biases_of_config(ConfigReader(json)));
}

}  // namespace

Family smollm3() { return {"smollm3", config, weights}; }

}  // namespace weir::architectures
