#include "weir/model/architectures/families.h"
#include "weir/model/architectures/gemma_parts.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = gemma_like_config(read);
  config.rotary = read_rotary(read, config, {});
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, {}, biases_of_config(ConfigReader(json)));
}

}  // namespace

Family gemma() { return {"gemma", config, weights}; }

}  // namespace weir::architectures
