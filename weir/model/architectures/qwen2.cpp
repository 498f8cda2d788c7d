#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"
#include "weir/model/architectures/qwen_windows.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = llama_like_config(read);
  config.rotary = read_rotary(read, config, {});
  config.layer_window = qwen_windows(read, config.n_layers);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  Biases biases;
  biases.qkv = true;
  return llama_like_weights(config, reader, {}, biases);
}

}  // namespace

Family qwen2() { return {"qwen2", config, weights}; }

}  // namespace weir::architectures
