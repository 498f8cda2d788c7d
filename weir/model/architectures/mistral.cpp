#include <nlohmann/json.hpp>

#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = llama_like_config(read);
  config.rotary = read_rotary(read, config, {});
  const int64_t unstated = json.contains("sliding_window") ? 0 : 4096;
  config.layer_window = layer_windows(read, read.size_or("sliding_window", unstated),
                                      std::vector<bool>(config.n_layers, true));
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  return llama_like_weights(config, reader, {}, {});
}

}  // namespace

Family mistral() { return {"mistral", config, weights}; }

}  // namespace weir::architectures
