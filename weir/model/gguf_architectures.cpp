#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/model/gguf_config.h"

namespace weir {
namespace {

using namespace gguf_config;

using Names = std::vector<GgufName>;

Names joined(Names names, const Names& more) {
  names.insert(names.end(), more.begin(), more.end());
  return names;
}

const Names& ends() {
  static const Names names = {
      {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
  return names;
}

const Names& value_and_output() {
  static const Names names = {{"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
                              {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"}};
  return names;
}

const Names& query_and_key() {
  static const Names names = {{"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
                              {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"}};
  return names;
}

const Names& reordered_query_and_key() {
  static const Names names = {
      {"blk.*.attn_q", "model.layers.*.self_attn.q_proj", GgufChange::kRotaryQueryRows},
      {"blk.*.attn_k", "model.layers.*.self_attn.k_proj", GgufChange::kRotaryKeyRows}};
  return names;
}

const Names& gated_mlp() {
  static const Names names = {{"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
                              {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
                              {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"}};
  return names;
}

Names pre_norms() {
  return {{"blk.*.attn_norm", "model.layers.*.input_layernorm"},
          {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"}};
}

Names query_key_norms() {
  return {{"blk.*.attn_q_norm", "model.layers.*.self_attn.q_norm"},
          {"blk.*.attn_k_norm", "model.layers.*.self_attn.k_norm"}};
}

Names post_norms() {
  return {{"blk.*.post_attention_norm", "model.layers.*.post_attention_layernorm"},
          {"blk.*.post_ffw_norm", "model.layers.*.post_feedforward_layernorm"}};
}

Names without_norms(const Names& heads) {
  return joined(joined(joined(ends(), heads), value_and_output()), gated_mlp());
}

Names gemma_names(const Names& norms) {
  Names names = joined(without_norms(query_and_key()), norms);
  for (GgufName& name : names) {
    if (name.gguf.find("norm") != std::string_view::npos) name.change = GgufChange::kGainPlusOne;
  }
  return names;
}

Names gemma2_norms() {
  return joined({{"blk.*.attn_norm", "model.layers.*.input_layernorm"},
                 {"blk.*.ffn_norm", "model.layers.*.pre_feedforward_layernorm"}},
                post_norms());
}

Names phi2_names() {
  return joined(joined(query_and_key(), {}),
                {{"token_embd", "model.embed_tokens"},
                 {"output_norm", "model.final_layernorm"},
                 {"output", "lm_head"},
                 {"blk.*.attn_norm", "model.layers.*.input_layernorm"},
                 {"blk.*.attn_qkv", "model.layers.*.self_attn.{qkv}_proj", GgufChange::kSplitThree},
                 {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
                 {"blk.*.attn_output", "model.layers.*.self_attn.dense"},
                 {"blk.*.ffn_up", "model.layers.*.mlp.fc1"},
                 {"blk.*.ffn_down", "model.layers.*.mlp.fc2"}});
}

Names phi3_names() {
  return joined(joined(ends(), pre_norms()),
                {{"blk.*.attn_qkv", "model.layers.*.self_attn.qkv_proj"},
                 {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
                 {"blk.*.ffn_up", "model.layers.*.mlp.gate_up_proj"},
                 {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"}});
}

Names gpt2_names() {
  return {{"token_embd", "transformer.wte"},
          {"position_embd", "transformer.wpe"},
          {"output_norm", "transformer.ln_f"},
          {"output", "lm_head"},
          {"blk.*.attn_norm", "transformer.h.*.ln_1"},
          {"blk.*.attn_qkv", "transformer.h.*.attn.c_attn"},
          {"blk.*.attn_output", "transformer.h.*.attn.c_proj"},
          {"blk.*.ffn_norm", "transformer.h.*.ln_2"},
          {"blk.*.ffn_up", "transformer.h.*.mlp.c_fc"},
          {"blk.*.ffn_down", "transformer.h.*.mlp.c_proj"}};
}

Names gptneox_names() {
  return {
      {"token_embd", "gpt_neox.embed_in"},
      {"output_norm", "gpt_neox.final_layer_norm"},
      {"output", "embed_out"},
      {"blk.*.attn_norm", "gpt_neox.layers.*.input_layernorm"},
      {"blk.*.attn_qkv", "gpt_neox.layers.*.attention.query_key_value", GgufChange::kStackedRows},
      {"blk.*.attn_output", "gpt_neox.layers.*.attention.dense"},
      {"blk.*.ffn_norm", "gpt_neox.layers.*.post_attention_layernorm"},
      {"blk.*.ffn_up", "gpt_neox.layers.*.mlp.dense_h_to_4h"},
      {"blk.*.ffn_down", "gpt_neox.layers.*.mlp.dense_4h_to_h"}};
}

Names bloom_names() {
  return {{"token_embd", "transformer.word_embeddings"},
          {"token_embd_norm", "transformer.word_embeddings_layernorm"},
          {"output_norm", "transformer.ln_f"},
          {"output", "lm_head"},
          {"blk.*.attn_norm", "transformer.h.*.input_layernorm"},
          {"blk.*.attn_qkv", "transformer.h.*.self_attention.query_key_value",
           GgufChange::kStackedRows},
          {"blk.*.attn_output", "transformer.h.*.self_attention.dense"},
          {"blk.*.ffn_norm", "transformer.h.*.post_attention_layernorm"},
          {"blk.*.ffn_up", "transformer.h.*.mlp.dense_h_to_4h"},
          {"blk.*.ffn_down", "transformer.h.*.mlp.dense_4h_to_h"}};
}

const std::vector<GgufArchitecture>& architectures() {
  const auto build = [] {
    const Names plain = joined(without_norms(query_and_key()), pre_norms());
    const Names reordered = joined(without_norms(reordered_query_and_key()), pre_norms());
    return std::vector<GgufArchitecture>{
        {"bloom", "bloom", "BloomForCausalLM", bloom_names(), add_bloom},
        {"gemma", "gemma", "GemmaForCausalLM", gemma_names(pre_norms()), add_gemma},
        {"gemma2", "gemma2", "Gemma2ForCausalLM", gemma_names(gemma2_norms()), add_gemma2},
        {"gemma3", "gemma3_text", "Gemma3ForCausalLM",
         gemma_names(joined(gemma2_norms(), query_key_norms())), add_gemma3},
        {"gpt2", "nanogpt", "GPT2LMHeadModel", gpt2_names(), add_gpt2},
        {"gptneox", "gpt_neox", "GPTNeoXForCausalLM", gptneox_names(), add_gpt_neox},
        {"llama", "llama", "LlamaForCausalLM", reordered, add_llama},
        {"olmo2", "olmo2", "Olmo2ForCausalLM",
         joined(joined(without_norms(query_and_key()), post_norms()), query_key_norms()),
         add_llama_like},
        {"phi2", "phi", "PhiForCausalLM", phi2_names(), add_phi2},
        {"phi3", "phi3", "Phi3ForCausalLM", phi3_names(), add_phi3},
        {"qwen2", "qwen2", "Qwen2ForCausalLM", plain, add_llama_like},
        {"qwen3", "qwen3", "Qwen3ForCausalLM", joined(plain, query_key_norms()), add_llama_like},
        {"smollm3", "smollm3", "SmolLM3ForCausalLM", reordered, add_smollm3},
        {"stablelm", "stablelm", "StableLmForCausalLM", plain, add_stablelm},
    };
  };
  static const std::vector<GgufArchitecture> list = build();
  return list;
}

}  // namespace

const GgufArchitecture& gguf_architecture(const std::string& name) {
  std::string known;
  for (const GgufArchitecture& architecture : architectures()) {
    if (architecture.name == name) return architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  fail(ErrorCode::kUnsupported, "gguf: architecture '{}' is not one of {}", io::printable(name),
       known);
}

}  // namespace weir
