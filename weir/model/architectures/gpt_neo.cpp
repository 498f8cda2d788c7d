#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

// "attention_layers" lists "global" or "local" for each layer; older configs have only
// "attention_types" [[["global", "local"], 12]], the same in groups with their counts.
nlohmann::json attention_layers(const ConfigReader& read, int64_t n_layers) {
  if (read.has("attention_layers")) return read.json().at("attention_layers");
  nlohmann::json layers = nlohmann::json::array();
  if (!read.has("attention_types")) return layers;
  for (const nlohmann::json& group : read.json().at("attention_types")) {
    if (!group.is_array() || group.size() != 2 || !group[0].is_array() || group[0].empty() ||
        !group[1].is_number_integer()) {
      read.refuse("attention_types", "expected [[[\"global\", \"local\"], count]]");
    }
    for (int64_t i = 0; i < group[1].get<int64_t>(); ++i) {
      for (const nlohmann::json& kind : group[0]) layers.push_back(kind);
      if (static_cast<int64_t>(layers.size()) > n_layers) return layers;
    }
  }
  return layers;
}

std::vector<bool> local_layers(const ConfigReader& read, int64_t n_layers) {
  const nlohmann::json layers = attention_layers(read, n_layers);
  if (!layers.is_array() || static_cast<int64_t>(layers.size()) != n_layers) {
    fail(ErrorCode::kCorruptData,
         "config.json: expected attention_layers or attention_types for {} layers", n_layers);
  }
  std::vector<bool> local;
  for (const nlohmann::json& kind : layers) {
    if (kind != "global" && kind != "local") {
      read.refuse("attention_layers", "known: global, local");
    }
    local.push_back(kind == "local");
  }
  return local;
}

void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  const std::string attn = prefix + "attn.attention.";
  block.ln1 = reader.norm(prefix + "ln_1", d, config.norm);
  block.ln2 = reader.norm(prefix + "ln_2", d, config.norm);
  block.attn.W_Q = reader.linear(attn + "q_proj.weight", d, d);
  block.attn.W_K = reader.linear(attn + "k_proj.weight", d, d);
  block.attn.W_V = reader.linear(attn + "v_proj.weight", d, d);
  read_linear(reader, attn + "out_proj", d, d, true, block.attn.W_O, block.attn.b_O);
  read_linear(reader, prefix + "mlp.c_fc", m, d, true, block.mlp.W_in, block.mlp.b_in);
  read_linear(reader, prefix + "mlp.c_proj", d, m, true, block.mlp.W_out, block.mlp.b_out);
}

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/true);
  config.n_layers = read.layers("num_layers");
  config.d_model = read.size("hidden_size");
  config.n_heads = config.n_kv_heads = read.size("num_heads");
  config.d_mlp = read.size_or("intermediate_size", 4 * config.d_model);
  config.n_ctx = read.size_or("max_position_embeddings", 2048);
  derive_heads(config);
  config.attn_scale = 1;  // GPT-Neo does not scale its scores.
  config.norm_eps = read.number_or("layer_norm_epsilon", 1e-5);
  config.position = PositionKind::kLearned;
  config.activation = parse_activation(read.text_or("activation_function", "gelu_new"));
  const int64_t window = read.size_or("window_size", 256);
  for (const bool local : local_layers(read, config.n_layers)) {
    config.layer_window.push_back(local ? window : 0);
  }
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"transformer.", ""});
  reader.ignore({"*.attn.attention.bias", "*.attn.attention.masked_bias"});
  const PartNames names = {"wte.weight", "wpe.weight", "h."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = reader.norm("ln_f", config.d_model, config.norm);
  read_unembedding(config, reader, weights);
  return weights;
}

}  // namespace

Family gpt_neo() { return {"gpt_neo", config, weights}; }

}  // namespace weir::architectures
