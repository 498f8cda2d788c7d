#include "weir/model/foreign_keys.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/io/json.h"

namespace weir {
namespace {

using nlohmann::json;

struct ForeignKey {
  const char* key;
  std::vector<json> neutral;  // Values that change nothing; for a list, those of its entries.
  std::vector<std::string> readers = {};  // Families that read the key themselves.
};

const std::vector<ForeignKey>& foreign_keys() {
  static const std::vector<ForeignKey> keys = {
      // Weights in another form; blocks of another kind.
      {"quantization_config", {}},
      {"num_experts", {0, 1}},
      {"num_local_experts", {0, 1}},
      {"n_routed_experts", {0, 1}},
      {"n_shared_experts", {0}},
      {"moe_num_experts", {0, 1}},
      {"is_encoder_decoder", {false}},
      {"add_cross_attention", {false}},
      {"apply_residual_connection_post_layernorm", {false}, {"bloom"}},
      // Factors (Granite, MiniCPM, Cohere).
      {"embedding_multiplier", {1}},
      {"residual_multiplier", {1}},
      {"attention_multiplier", {}},
      {"logits_scaling", {1}},
      {"logit_scale", {1}},
      {"scale_emb", {1}},
      {"scale_depth", {}},
      // Attention.
      {"is_causal", {true}},
      {"use_bidirectional_attention", {false}},
      {"attention_sinks", {false, 0}},
      {"attention_chunk_size", {0}},
      {"use_sliding_window", {false}, {"qwen2", "qwen3", "smollm3"}},
      {"layer_types",
       {"full_attention"},
       {"gemma2", "gemma3_text", "mistral", "phi3", "qwen2", "qwen3", "smollm3"}},
      {"no_rope_layers", {1, true}, {"smollm3"}},
      {"rope_interleave", {false}},
      {"rope_interleaved", {false}},
      {"qk_layernorm", {false}, {"phi", "stablelm"}},
      {"use_qk_norm", {false}},
      {"clip_qkv", {}},
      {"scale_attn_weights", {true}, {"gpt2", "nanogpt"}},
      {"scale_attn_by_inverse_layer_idx", {false}, {"gpt2", "nanogpt"}},
      {"query_pre_attn_scalar", {}, {"gemma2", "gemma3_text"}},
      {"attn_logit_softcapping", {0}, {"gemma2", "gemma3_text"}},
      {"final_logit_softcapping", {0}, {"gemma2", "gemma3_text"}},
  };
  return keys;
}

bool holds(const std::vector<json>& values, const json& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool is_neutral(const ForeignKey& foreign, const json& value) {
  if (!value.is_array()) return holds(foreign.neutral, value);
  return std::all_of(value.begin(), value.end(),
                     [&](const json& entry) { return holds(foreign.neutral, entry); });
}

std::string advice(const ForeignKey& foreign) {
  if (foreign.neutral.empty()) return "expected no such key";
  std::string text = "expected " + io::dump_json(foreign.neutral[0]);
  for (size_t i = 1; i < foreign.neutral.size(); ++i) {
    text += " or " + io::dump_json(foreign.neutral[i]);
  }
  return text;
}

}  // namespace

void refuse_foreign_keys(const ConfigReader& read) {
  const std::string family = read.text_or("model_type", "");
  for (const ForeignKey& foreign : foreign_keys()) {
    const auto& readers = foreign.readers;
    const bool is_read = std::find(readers.begin(), readers.end(), family) != readers.end();
    if (is_read || !read.has(foreign.key)) continue;
    if (!is_neutral(foreign, read.json().at(foreign.key)))
      read.refuse(foreign.key, advice(foreign));
  }
}

}  // namespace weir
