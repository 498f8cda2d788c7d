#include "weir/model/architectures/families.h"
#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {
namespace {

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = llama_like_config(read);
  config.norm = NormKind::kLayerNorm;
  config.norm_eps = read.number_or("layer_norm_eps", 1e-5);
  config.parallel_block = read.flag_or("use_parallel_residual", false);
  RopeDefaults rope;
  rope.partial = 0.25;
  rope.can_be_partial = true;
  config.rotary = read_rotary(read, config, rope);
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  BlockNorms norms;
  if (config.parallel_block) norms.ln2 = "";
  Biases biases;
  biases.qkv = ConfigReader(json).flag_or("use_qkv_bias", false);
  return llama_like_weights(config, reader, norms, biases);
}

}  // namespace

Family stablelm() { return {"stablelm", config, weights}; }

}  // namespace weir::architectures
