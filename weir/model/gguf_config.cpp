#include "weir/model/gguf_config.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/model/gguf_metadata.h"
#include "weir/model/gguf_rope.h"

namespace weir {
namespace {

using nlohmann::json;

bool has_tensor(const io::GgufFile& file, std::string_view name) {
  return file.tensors().find(name) != nullptr;
}

// hidden_size and so on, as most families call them; GPT-2 and BLOOM differ.
void add_sizes(const GgufMetadata& read, json& config) {
  const int64_t n_heads = read.size("attention.head_count");
  config["hidden_size"] = read.size("embedding_length");
  config["num_hidden_layers"] = read.size("block_count");
  config["num_attention_heads"] = n_heads;
  config["num_key_value_heads"] = read.size_or("attention.head_count_kv", n_heads);
  config["intermediate_size"] = read.size("feed_forward_length");
  config["max_position_embeddings"] = read.size("context_length");
}

// The metadata does not hold the scale of attention: it is 1 / sqrt(head size), except in the 27B
// models, which are told by their depth.
void add_query_scale(const GgufMetadata& read, int64_t layers_of_27b, json& config) {
  const bool is_27b = read.size("block_count") == layers_of_27b;
  config["query_pre_attn_scalar"] =
      is_27b ? read.size("embedding_length") / read.size("attention.head_count") : read.head_size();
}

json gemma3_layer_types(const io::GgufFile& file, const GgufMetadata& read) {
  const std::string key = read.full("attention.sliding_window_pattern");
  const int64_t n_layers = read.size("block_count");
  json types = json::array();
  const io::GgufValue* pattern = file.find(key);
  if (pattern != nullptr && pattern->type == io::GgufType::kArray) {
    for (const int64_t slides : file.get_int_array(key)) {
      types.push_back(slides != 0 ? "sliding_attention" : "full_attention");
    }
    return types;
  }
  const int64_t period = std::max<int64_t>(1, read.size_or("attention.sliding_window_pattern", 6));
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    types.push_back((layer + 1) % period != 0 ? "sliding_attention" : "full_attention");
  }
  return types;
}

void add_layer_norm_rotary(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_sizes(read, config);
  config["layer_norm_eps"] = read.number("attention.layer_norm_epsilon");
  config["partial_rotary_factor"] = read.rotary_share();
  add_rope(file, config);
}

}  // namespace

namespace gguf_config {

// Llama and what descends from it: RMSNorm, gated SiLU, rotary over whole heads.
void add_llama_like(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_sizes(read, config);
  config["head_dim"] = read.head_size();
  config["hidden_act"] = "silu";
  config["rms_norm_eps"] = read.number("attention.layer_norm_rms_epsilon");
  if (read.rotary_share() != 1) {
    fail(ErrorCode::kUnsupported,
         "{}: {} is not the head size; partial rotary embedding of {} is not supported",
         file.tensors().source, read.full("rope.dimension_count"),
         file.get_string("general.architecture"));
  }
  if (read.size_or("attention.value_length", read.head_size()) != read.head_size()) {
    fail(ErrorCode::kUnsupported, "{}: values and keys of different sizes are not supported",
         file.tensors().source);
  }
  add_rope(file, config);
}

void add_llama(const io::GgufFile& file, json& config) {
  if (GgufMetadata(file).size_or("expert_count", 0) > 0) {
    fail(ErrorCode::kUnsupported, "{}: mixtures of experts are not supported",
         file.tensors().source);
  }
  add_llama_like(file, config);
  config["attention_bias"] = has_tensor(file, "blk.0.attn_q.bias");
  config["mlp_bias"] = has_tensor(file, "blk.0.ffn_up.bias");
}

void add_smollm3(const io::GgufFile& file, json& config) {
  add_llama(file, config);
  config["no_rope_layer_interval"] = 4;  // A constant of llama.cpp too.
  json rotates = json::array();
  for (int64_t layer = 0; layer < config["num_hidden_layers"].get<int64_t>(); ++layer) {
    rotates.push_back((layer + 1) % 4 != 0 ? 1 : 0);
  }
  config["no_rope_layers"] = rotates;
}

void add_gemma(const io::GgufFile& file, json& config) {
  add_llama_like(file, config);
  config["hidden_act"] = "gelu_pytorch_tanh";
  config["hidden_activation"] = "gelu_pytorch_tanh";
}

void add_gemma2(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_gemma(file, config);
  config["attn_logit_softcapping"] = read.number_or("attn_logit_softcapping", 50);
  config["final_logit_softcapping"] = read.number_or("final_logit_softcapping", 30);
  config["sliding_window"] = read.size("attention.sliding_window");
  add_query_scale(read, 46, config);
}

void add_gemma3(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_gemma(file, config);
  config["rope_local_base_freq"] = read.number_or("rope.freq_base_swa", 10000);
  config["sliding_window"] = read.size("attention.sliding_window");
  config["layer_types"] = gemma3_layer_types(file, read);
  config["attn_logit_softcapping"] = nullptr;
  config["final_logit_softcapping"] = nullptr;
  if (read.has("final_logit_softcapping")) {
    config["final_logit_softcapping"] = read.number("final_logit_softcapping");
  }
  add_query_scale(read, 62, config);
}

void add_stablelm(const io::GgufFile& file, json& config) {
  add_layer_norm_rotary(file, config);
  config["hidden_act"] = "silu";
  config["use_parallel_residual"] = GgufMetadata(file).flag_or("use_parallel_residual", false);
  config["use_qkv_bias"] = has_tensor(file, "blk.0.attn_q.bias");
}

void add_phi2(const io::GgufFile& file, json& config) {
  add_layer_norm_rotary(file, config);
  config["hidden_act"] = "gelu_new";
}

void add_gpt_neox(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_layer_norm_rotary(file, config);
  config.erase("partial_rotary_factor");
  config.erase("num_key_value_heads");
  config["hidden_act"] = "gelu";
  config["rotary_pct"] = read.rotary_share();
  config["rotary_emb_base"] = read.number_or("rope.freq_base", 10000);
  config["use_parallel_residual"] = read.flag_or("use_parallel_residual", true);
  config["attention_bias"] = has_tensor(file, "blk.0.attn_qkv.bias");
}

void add_phi3(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  add_sizes(read, config);
  config["hidden_act"] = "silu";
  config["rms_norm_eps"] = read.number("attention.layer_norm_rms_epsilon");
  config["partial_rotary_factor"] = read.rotary_share();
  const int64_t window = read.size_or("attention.sliding_window", 0);
  config["sliding_window"] = window > 0 ? json(window) : json(nullptr);
  config["original_max_position_embeddings"] = read.size_or(
      "rope.scaling.original_context_length", config["max_position_embeddings"].get<int64_t>());
  add_rope(file, config);
}

void add_gpt2(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  config["n_embd"] = read.size("embedding_length");
  config["n_layer"] = read.size("block_count");
  config["n_head"] = read.size("attention.head_count");
  config["n_positions"] = read.size("context_length");
  config["n_inner"] = read.size("feed_forward_length");
  config["activation_function"] = "gelu_new";
  config["layer_norm_epsilon"] = read.number("attention.layer_norm_epsilon");
}

void add_bloom(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  config["hidden_size"] = read.size("embedding_length");
  config["n_layer"] = read.size("block_count");
  config["n_head"] = read.size("attention.head_count");
  config["seq_length"] = read.size("context_length");
  config["layer_norm_epsilon"] = read.number("attention.layer_norm_epsilon");
}

}  // namespace gguf_config

json hugging_face_config(const io::GgufFile& file, const GgufArchitecture& architecture) {
  const io::TensorView* table = file.tensors().find("token_embd.weight");
  if (table == nullptr || table->shape.size() != 2) {
    fail(ErrorCode::kCorruptData, "{}: tensor 'token_embd.weight' [vocabulary, d_model] is missing",
         file.tensors().source);
  }
  json config = {{"model_type", architecture.model_type},
                 {"architectures", {architecture.model_class}},
                 {"torch_dtype", "float32"},
                 {"vocab_size", table->shape[0]},
                 {"tie_word_embeddings", !has_tensor(file, "output.weight")}};
  for (const auto& [key, token] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                   std::pair{"eos_token_id", "tokenizer.ggml.eos_token_id"},
                                   std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    // null where the file names none: transformers would assume the family's own, which a smaller
    // vocabulary lacks.
    const auto id = file.find_u64(token);
    const bool is_known = id && *id < static_cast<uint64_t>(table->shape[0]);
    config[key] = is_known ? json(*id) : json(nullptr);
  }
  architecture.add_config(file, config);
  return config;
}

}  // namespace weir
