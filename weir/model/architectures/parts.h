#pragma once

#include <string>

#include "weir/model/config_reader.h"
#include "weir/model/loader.h"

/// Pieces that several families read in the same way.
namespace weir::architectures {

/// d_head = d_model / n_heads unless given; attn_scale = 1 / sqrt(d_head). kCorruptData when heads
/// do not divide.
void derive_heads(ModelConfig& config);

/// Reads one block, whose tensors' names start with `prefix`.
using BlockReader = void (*)(const ModelConfig& config, CheckpointReader& reader,
                             const std::string& prefix, BlockWeights& block);

/// How a family calls its tables and its blocks: "h." makes "h.0.", "h.1.", ...
struct PartNames {
  std::string tokens;
  std::string positions;  ///< Empty: no such table.
  std::string blocks;
};

/// W_E, W_pos and every block.
Weights read_tables_and_blocks(const ModelConfig& config, CheckpointReader& reader,
                               const PartNames& names, BlockReader read_block);

/// W_U is W_E where the config ties them or the checkpoint has no `weight` of its own. One that
/// comes with a tied config is used, with a warning, if its values differ (output_table).
void read_unembedding(const ModelConfig& config, CheckpointReader& reader, Weights& weights,
                      const std::string& weight = "lm_head.weight");

/// prefix.weight [n_out, n_in] into `matrix`; prefix.bias [n_out] into `bias` if `has_bias`. With
/// `outputs` a part of both.
void read_linear(CheckpointReader& reader, const std::string& prefix, int64_t n_out, int64_t n_in,
                 bool has_bias, Matrix& matrix, at::Tensor& bias, const OutputRuns& outputs = {});

/// NeoX's and BLOOM's fused projection: rows in the order (head, {q, k, v}, d_head).
void read_qkv_by_head(const ModelConfig& config, CheckpointReader& reader,
                      const std::string& prefix, bool has_bias, AttentionWeights& attn);

}  // namespace weir::architectures
