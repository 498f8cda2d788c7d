#include "weir/model/architectures/families.h"
#include "weir/model/architectures/gemma_parts.h"

namespace weir::architectures {
namespace {

// transformers 4 gives sliding layers a base of their own and never scales them.
RotaryConfig local_rotary(const ConfigReader& read, const ModelConfig& config) {
  if (read.has("rope_parameters")) {
    RopeDefaults rope;
    return read_rotary(read, config, rope, "sliding_attention");
  }
  RotaryConfig rotary;
  rotary.n_dims = config.d_head;
  rotary.theta = read.number_or("rope_local_base_freq", 10000);
  return rotary;
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = gemma_like_config(read);
  read_gemma_scores(read, {}, config);
  config.qk_norm = QkNorm::kPerHead;
  RopeDefaults rope;
  rope.theta = 1000000;
  config.rotary = read_rotary(read, config, rope, "full_attention");
  config.rotary_local = local_rotary(read, config);
  const int64_t pattern =
      read.size_or("sliding_window_pattern", read.size_or("_sliding_window_pattern", 6));
  std::vector<bool> slides;
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    slides.push_back((layer + 1) % pattern != 0);
  }
  config.layer_window = layer_windows(read, read.size_or("sliding_window", 4096), slides);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  return llama_like_weights(config, reader, four_norms(), biases_of_config(ConfigReader(json)));
}

}  // namespace

Family gemma3_text() { return {"gemma3_text", config, weights}; }

}  // namespace weir::architectures
