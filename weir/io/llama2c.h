#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>

#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

/// Checkpoints of llama2.c (`.bin`), in its two fp32 forms: the legacy one, whose header is seven
/// integers without a magic number, and version 1 with the magic "ak42" and 256 bytes of header.
namespace weir::io {

/// The header. A head has dim / n_heads channels.
struct Llama2cConfig {
  int64_t dim = 0;
  int64_t hidden_dim = 0;
  int64_t n_layers = 0;
  int64_t n_heads = 0;
  int64_t n_kv_heads = 0;
  int64_t vocab_size = 0;
  int64_t seq_len = 0;
  bool is_tied = false;  ///< The classifier is the embedding.
  int version = 0;       ///< 0 for the legacy form, 1.
};

/// `tensors` are named as in Hugging Face's Llama, each [out, in]: model.embed_tokens.weight,
/// model.layers.N.self_attn.{q,k,v,o}_proj.weight, model.layers.N.mlp.{gate,up,down}_proj.weight,
/// model.layers.N.{input,post_attention}_layernorm.weight, model.norm.weight and, when not tied,
/// lm_head.weight. The rows of q_proj and k_proj are as the file has them: for a rotation of
/// neighbouring pairs, not of halves as Hugging Face's. Tables of the rotation are left out.
struct Llama2cFile {
  Llama2cConfig config;
  TensorMap tensors;  ///< Views onto the mapped file.
};

/// kCorruptData when the header is implausible or the file is not exactly as long as it says;
/// kUnsupported for other versions (2 is quantised).
Llama2cFile read_llama2c(const std::filesystem::path& path);
Llama2cFile parse_llama2c(const std::shared_ptr<const MappedFile>& file);

}  // namespace weir::io
