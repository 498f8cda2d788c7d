#include <nlohmann/json.hpp>

#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

// A norm whose bias the checkpoint may leave out.
NormWeights read_norm(const ModelConfig& config, CheckpointReader& reader,
                      const std::string& prefix) {
  NormWeights norm;
  norm.present = true;
  norm.w = reader.tensor(prefix + ".weight", {config.d_model});
  norm.b = reader.optional_tensor(prefix + ".bias", {config.d_model});
  return norm;
}

void read_optional_linear(CheckpointReader& reader, const std::string& prefix, int64_t n_out,
                          int64_t n_in, Matrix& matrix, at::Tensor& bias,
                          const OutputRuns& outputs = {}) {
  read_linear(reader, prefix, n_out, n_in, reader.has(prefix + ".bias"), matrix, bias, outputs);
}

// GPT-2 in linear layers: weights are stored [out, in]; the rows of c_attn are q, k, v.
void read_block(const ModelConfig& config, CheckpointReader& reader, const std::string& prefix,
                BlockWeights& block) {
  const int64_t d = config.d_model, m = config.d_mlp;
  block.ln1 = read_norm(config, reader, prefix + "ln_1");
  block.ln2 = read_norm(config, reader, prefix + "ln_2");
  Matrix* const matrices[] = {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V};
  at::Tensor* const biases[] = {&block.attn.b_Q, &block.attn.b_K, &block.attn.b_V};
  for (int64_t part = 0; part < 3; ++part) {
    read_optional_linear(reader, prefix + "attn.c_attn", 3 * d, d, *matrices[part], *biases[part],
                         {part * d, d});
  }
  read_optional_linear(reader, prefix + "attn.c_proj", d, d, block.attn.W_O, block.attn.b_O);
  read_optional_linear(reader, prefix + "mlp.c_fc", m, d, block.mlp.W_in, block.mlp.b_in);
  read_optional_linear(reader, prefix + "mlp.c_proj", d, m, block.mlp.W_out, block.mlp.b_out);
}

// GPT-2's keys, or nanoGPT's "block_size"; nanoGPT's own activation is the exact GELU.
ModelConfig config(const nlohmann::json& json) {
  nlohmann::json gpt2_config = json;
  if (json.contains("block_size")) gpt2_config["n_positions"] = json["block_size"];
  if (!json.contains("activation_function")) gpt2_config["activation_function"] = "gelu";
  return gpt2().config(gpt2_config);
}

Weights weights(const ModelConfig& config, const nlohmann::json&, CheckpointReader& reader) {
  reader.set_prefixes({"transformer.", ""});
  reader.ignore({"*.attn.bias", "*.attn.masked_bias"});
  const PartNames names = {"wte.weight", "wpe.weight", "h."};
  Weights weights = read_tables_and_blocks(config, reader, names, read_block);
  weights.ln_final = read_norm(config, reader, "ln_f");
  read_unembedding(config, reader, weights);
  return weights;
}

}  // namespace

Family nanogpt() { return {"nanogpt", config, weights}; }

}  // namespace weir::architectures
