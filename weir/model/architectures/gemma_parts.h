#pragma once

#include "weir/model/architectures/llama_like.h"

namespace weir::architectures {

/// What the three Gemma generations share: gains stored as w - 1, embeddings times sqrt(d_model),
/// tied tables, tanh GELU, heads of 256 unless the config says otherwise.
ModelConfig gemma_like_config(const ConfigReader& read);

/// Gemma 2 and 3 in addition: queries scaled by query_pre_attn_scalar and soft caps.
/// `default_caps` are those of attention scores and logits where the config has no such key.
struct SoftCaps {
  double attention = 0;
  double logits = 0;
};
void read_gemma_scores(const ConfigReader& read, const SoftCaps& default_caps, ModelConfig& config);

/// A norm before and after both halves of a block.
BlockNorms four_norms();

}  // namespace weir::architectures
