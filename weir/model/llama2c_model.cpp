#include "weir/model/llama2c_model.h"

#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/io/llama2c.h"
#include "weir/model/stored_rows.h"

namespace weir {
namespace {

// What llama2.c takes for granted: theta 10000, epsilon 1e-5, <s> 1, </s> 2.
nlohmann::json hugging_face_config(const io::Llama2cConfig& config) {
  return {{"model_type", "llama"},
          {"architectures", {"LlamaForCausalLM"}},
          {"torch_dtype", "float32"},
          {"vocab_size", config.vocab_size},
          {"hidden_size", config.dim},
          {"intermediate_size", config.hidden_dim},
          {"num_hidden_layers", config.n_layers},
          {"num_attention_heads", config.n_heads},
          {"num_key_value_heads", config.n_kv_heads},
          {"max_position_embeddings", config.seq_len},
          {"tie_word_embeddings", config.is_tied},
          {"hidden_act", "silu"},
          {"rms_norm_eps", 1e-5},
          {"rope_theta", 10000.0},
          {"bos_token_id", 1},
          {"eos_token_id", 2}};
}

}  // namespace

LoadedModel load_llama2c_model(const std::filesystem::path& path) {
  io::Llama2cFile file = io::read_llama2c(path);
  for (io::TensorView& tensor : file.tensors.tensors) {
    if (ends_with(tensor.name, "self_attn.q_proj.weight")) {
      tensor = with_half_split_rows(tensor, file.config.n_heads);
    } else if (ends_with(tensor.name, "self_attn.k_proj.weight")) {
      tensor = with_half_split_rows(tensor, file.config.n_kv_heads);
    }
  }
  LoadedModel model = load_model(hugging_face_config(file.config), file.tensors, path);
  model.config.name = path.stem().string();
  return model;
}

}  // namespace weir
