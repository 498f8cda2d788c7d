#include <ATen/ATen.h>

#include "weir/model/architectures/families.h"
#include "weir/model/architectures/parts.h"

namespace weir::architectures {
namespace {

// The position table starts with two rows that no token uses.
constexpr int64_t kUnusedPositions = 2;

class OptReader {
 public:
  OptReader(const ModelConfig& config, const ConfigReader& read, CheckpointReader& reader)
      : config_(config),
        reader_(reader),
        bias_(read.flag_or("enable_bias", true)),
        affine_(read.flag_or("layer_norm_elementwise_affine", true)),
        tied_(read.flag_or("tie_word_embeddings", true)),
        d_embed_(read.size_or("word_embed_proj_dim", config.d_model)) {}

  NormWeights norm(const std::string& prefix) const {
    if (affine_) return reader_.norm(prefix, config_.d_model, config_.norm);
    NormWeights plain;
    plain.present = true;
    return plain;
  }

  // W_E and W_U. OPT-350m projects embeddings from a smaller width and back; the products stand
  // for both, in float32.
  void read_tables(Weights& weights) const {
    const Matrix table = reader_.linear("embed_tokens.weight", config_.d_vocab, d_embed_);
    const Matrix head = reader_.output_table("lm_head.weight", table, tied_);
    weights.W_E = table;
    weights.W_U = head;
    if (d_embed_ == config_.d_model) return;
    const at::Tensor in =
        reader_.linear("project_in.weight", config_.d_model, d_embed_).dense(at::kFloat);
    const at::Tensor out =
        reader_.linear("project_out.weight", d_embed_, config_.d_model).dense(at::kFloat);
    weights.W_E = Matrix(at::mm(in.t(), table.dense(at::kFloat)));
    weights.W_U = Matrix(at::mm(out, head.dense(at::kFloat)));
  }

  void read_block(const std::string& prefix, BlockWeights& block) const {
    const int64_t d = config_.d_model, m = config_.d_mlp;
    const std::string attn = prefix + "self_attn.";
    block.ln1 = norm(prefix + "self_attn_layer_norm");
    block.ln2 = norm(prefix + "final_layer_norm");
    read_linear(reader_, attn + "q_proj", d, d, bias_, block.attn.W_Q, block.attn.b_Q);
    read_linear(reader_, attn + "k_proj", d, d, bias_, block.attn.W_K, block.attn.b_K);
    read_linear(reader_, attn + "v_proj", d, d, bias_, block.attn.W_V, block.attn.b_V);
    read_linear(reader_, attn + "out_proj", d, d, bias_, block.attn.W_O, block.attn.b_O);
    read_linear(reader_, prefix + "fc1", m, d, bias_, block.mlp.W_in, block.mlp.b_in);
    read_linear(reader_, prefix + "fc2", d, m, bias_, block.mlp.W_out, block.mlp.b_out);
  }

 private:
  const ModelConfig& config_;
  CheckpointReader& reader_;
  const bool bias_, affine_, tied_;
  const int64_t d_embed_;
};

ModelConfig config(const nlohmann::json& json) {
  const ConfigReader read(json);
  ModelConfig config = base_config(read, /*tied_by_default=*/true);
  config.n_layers = read.layers("num_hidden_layers");
  config.d_model = read.size("hidden_size");
  config.n_heads = config.n_kv_heads = read.size("num_attention_heads");
  config.d_mlp = read.size("ffn_dim");
  config.n_ctx = read.size_or("max_position_embeddings", 2048);
  derive_heads(config);
  config.pre_norm = read.flag_or("do_layer_norm_before", true);
  config.position = PositionKind::kLearned;
  config.activation = parse_activation(read.text_or("activation_function", "relu"));
  // Two projections round the embedding make its two uses different matrices.
  if (read.size_or("word_embed_proj_dim", config.d_model) != config.d_model) config.tied = false;
  return config;
}

Weights weights(const ModelConfig& config, const nlohmann::json& json, CheckpointReader& reader) {
  reader.set_prefixes({"model.decoder.", "decoder.", ""});
  reader.ignore({"*decoder.version"});
  const OptReader opt(config, ConfigReader(json), reader);
  Weights weights;
  opt.read_tables(weights);
  const int64_t n_rows = config.n_ctx + kUnusedPositions;
  weights.W_pos = reader.tensor("embed_positions.weight", {n_rows, config.d_model},
                                {kUnusedPositions, config.n_ctx});
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    opt.read_block("layers." + std::to_string(layer) + ".", weights.blocks.emplace_back());
  }
  const bool removed = ConfigReader(json).flag_or("_remove_final_layer_norm", false);
  if (config.pre_norm && !removed) weights.ln_final = opt.norm("final_layer_norm");
  return weights;
}

}  // namespace

Family opt() { return {"opt", config, weights}; }

}  // namespace weir::architectures
