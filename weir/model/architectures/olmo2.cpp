#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  LlamaLikeDefaults defaults;
  defaults.eps = 1e-5;
  ModelConfig config = llama_like_config(read, defaults);
  config.rotary = read_rotary(read, config, {});
  config.qk_norm = QkNorm::kWholeProjection;
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  BlockNorms norms;
  norms.ln1 = norms.ln2 = "";
  norms.ln1_post = "post_attention_layernorm";
  norms.ln2_post = "post_feedforward_layernorm";
  return llama_like_weights(config, reader, norms, biases_of_config(ConfigReader(json)));
}

}  // namespace

Family olmo2() { return {"olmo2", config, weights}; }

}  // namespace weir::architectures
