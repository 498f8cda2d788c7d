#include "weir/model/transformer.h"

namespace weir {
namespace {

void add_norm(std::vector<std::string>& names, const std::string& prefix) {
  names.push_back(prefix + ".hook_scale");
  names.push_back(prefix + ".hook_normalized");
}

void add_attention(std::vector<std::string>& names, const std::string& block,
                   const ModelConfig& config, int64_t layer) {
  for (const char* site : {"hook_attn_in", "hook_q_input", "attn.hook_q", "hook_k_input",
                           "attn.hook_k", "hook_v_input", "attn.hook_v"}) {
    names.push_back(block + site);
  }
  if (config.qk_norm != QkNorm::kNone) {
    add_norm(names, block + "attn.q_norm");
    add_norm(names, block + "attn.k_norm");
  }
  if (config.has_rotary(layer)) {
    names.push_back(block + "attn.hook_rot_q");
    names.push_back(block + "attn.hook_rot_k");
  }
  for (const char* site :
       {"attn.hook_attn_scores", "attn.hook_pattern", "attn.hook_z", "attn.hook_result"}) {
    names.push_back(block + site);
  }
}

void add_mlp(std::vector<std::string>& names, const std::string& block, const ModelConfig& config,
             const BlockWeights& weights) {
  names.push_back(block + "hook_mlp_in");
  if (config.pre_norm && weights.ln2.present) add_norm(names, block + "ln2");
  names.push_back(block + "mlp.hook_pre");
  if (config.gated_mlp) names.push_back(block + "mlp.hook_pre_linear");
  names.push_back(block + "mlp.hook_post");
  if (weights.ln2_post.present) add_norm(names, block + "ln2_post");
  names.push_back(block + "hook_mlp_out");
  if (!config.pre_norm && weights.ln2.present) add_norm(names, block + "ln2");
  names.push_back(block + "hook_resid_post");
}

}  // namespace

std::vector<std::string> hook_names(const ModelConfig& config, const Weights& weights) {
  std::vector<std::string> names = {"hook_embed"};
  if (config.position == PositionKind::kLearned) names.push_back("hook_pos_embed");
  if (weights.embed_norm.present) add_norm(names, "embed.ln");
  for (int64_t layer = 0; layer < config.n_layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    const BlockWeights& parts = weights.blocks[layer];
    names.push_back(block + "hook_resid_pre");
    if (config.pre_norm && parts.ln1.present) add_norm(names, block + "ln1");
    add_attention(names, block, config, layer);
    if (parts.ln1_post.present) add_norm(names, block + "ln1_post");
    names.push_back(block + "hook_attn_out");
    if (!config.pre_norm && parts.ln1.present) add_norm(names, block + "ln1");
    if (!config.parallel_block) names.push_back(block + "hook_resid_mid");
    add_mlp(names, block, config, parts);
  }
  if (weights.ln_final.present) add_norm(names, "ln_final");
  names.push_back("unembed.hook_in");
  names.push_back("unembed.hook_out");
  return names;
}

}  // namespace weir
