#include "weir/model/architectures/families.h"
#include "weir/model/architectures/gemma_parts.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = gemma_like_config(read);
  read_gemma_scores(read, {50, 30}, config);
  config.rotary = read_rotary(read, config, {});
  std::vector<bool> slides;
  for (int64_t layer = 0; layer < config.n_layers; ++layer) slides.push_back(layer % 2 == 0);
  config.layer_window = layer_windows(read, read.size_or("sliding_window", 4096), slides);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, four_norms(), biases_of_config(ConfigReader(json)));
}

}  // namespace

Family gemma2() { return {"gemma2", config, weights}; }

}  // namespace weir::architectures
