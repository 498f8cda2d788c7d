#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"
#include "weir/model/architectures/qwen_windows.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  LlamaLikeDefaults defaults;
  defaults.d_head = 128;
  ModelConfig config = llama_like_config(read, defaults);
  config.rotary = read_rotary(read, config, {});
  config.layer_window = qwen_windows(read, config.n_layers);
  config.qk_norm = QkNorm::kPerHead;
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, {}, biases_of_config(ConfigReader(json)));
}

}  // namespace

Family qwen3() { return {"qwen3", config, weights}; }

}  // namespace weir::architectures
