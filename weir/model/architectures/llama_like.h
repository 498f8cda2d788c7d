#pragma once

#include "weir/model/architectures/parts.h"
#include "weir/model/rope_config.h"

/// What Llama and its descendants share: RMSNorm, rotary positions, grouped key heads, a gated MLP,
/// and the tensor names model.layers.i.self_attn.q_proj and so on.
namespace weir::architectures {

/// Where the norms of a block stand: their tensor names, empty where there is none.
struct BlockNorms {
  std::string ln1 = "input_layernorm";
  std::string ln1_post;
  std::string ln2 = "post_attention_layernorm";
  std::string ln2_post;
};

/// Which projections have biases.
struct Biases {
  bool qkv = false;
  bool out = false;
  bool mlp = false;
};

/// What a family assumes where its config.json is silent.
struct LlamaLikeDefaults {
  bool tied = false;
  double eps = 1e-6;
  int64_t d_head = 0;  ///< 0: hidden size / heads
};

/// Everything but rotary, windows and what a family adds.
ModelConfig llama_like_config(const ConfigReader& read, const LlamaLikeDefaults& defaults = {});

/// Embedding, every block, final norm and unembedding.
Weights llama_like_weights(const ModelConfig& config, CheckpointReader& reader,
                           const BlockNorms& norms, const Biases& biases);

/// The norms of one block.
void read_block_norms(const ModelConfig& config, CheckpointReader& reader,
                      const std::string& prefix, const BlockNorms& names, BlockWeights& block);

/// Biases of Llama's convention: attention_bias for q, k, v and o; mlp_bias for the MLP.
Biases biases_of_config(const ConfigReader& read);

}  // namespace weir::architectures
