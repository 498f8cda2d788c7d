#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = llama_like_config(read);
  config.rotary = read_rotary(read, config, {});
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, {}, biases_of_config(ConfigReader(json)));
}

}  // namespace

Family llama() { return {"llama", config, weights}; }

}  // namespace weir::architectures
