#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/nn/attention.h"
#include "weir/nn/visible_keys.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {

/// The maps of one attention in float32 on the CPU, a block of queries of one head at a time.
/// Letters as in attention.h.
class AttentionBlocks {
 public:
  static constexpr int64_t kQueriesAtOnce = 64;  ///< Of one GEMM: 64 x 512 scores are 128 KB.

  /// q is contiguous; k and v have heads whose elements stand side by side.
  AttentionBlocks(at::Tensor q, at::Tensor k, at::Tensor v, const ScoreOptions& options,
                  VisibleKeys visible);

  /// Queries first .. last - 1 of a head against keys from .. to - 1, those that any of them sees.
  struct Block {
    int64_t row, head, first, last, from, to;
    bool is_blind() const { return from >= to; }
    int64_t n_keys() const { return to - from; }
  };
  int64_t n_blocks() const { return (q.size(1) + kQueriesAtOnce - 1) / kQueriesAtOnce; }
  Block block(int64_t row, int64_t head, int64_t index) const;

  /// x [B, T, H, K] as the block's queries [n, K]; k or v as its keys [n, K]. Views.
  static at::Tensor queries(const at::Tensor& x, const Block& block);
  at::Tensor keys(const at::Tensor& x, const Block& block) const;
  /// q . k of the block, [queries, keys].
  at::Tensor products(const Block& block) const;
  /// Products to attention weights, in place.
  void to_weights(const Block& block, at::Tensor& products) const;
  /// What turns the products of one query, at `scores`, into weights.
  kernels::WeightTask weight_task(const Block& block, int64_t query, float* scores) const;
  float slope(int64_t head) const { return slopes.defined() ? slopes.data_ptr<float>()[head] : 0; }

  at::Tensor q, k, v;
  float scale, softcap;
  at::Tensor slopes;  ///< float32 [H] or undefined
  VisibleKeys visible;
  int64_t group;  ///< Query heads that share a key head.
};

/// z [B, T, H, K].
at::Tensor direct_attention(const AttentionBlocks& blocks);
/// Gradients with respect to q, k and v, given that with respect to z. The maps are made anew.
std::vector<at::Tensor> attention_gradient(const AttentionBlocks& blocks, const at::Tensor& dz);

}  // namespace weir
