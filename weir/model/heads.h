#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/model/weights.h"
#include "weir/tensor/factored_matrix.h"

/// Query heads and the key heads that they share, and the two circuits of a head in the conventions
/// of TransformerLens: row vectors from the left, x W.
namespace weir {

/// A head by layer and index; "23.4" for people.
struct HeadId {
  int64_t layer = 0, head = 0;
  std::string name() const { return std::to_string(layer) + "." + std::to_string(head); }
  bool operator==(const HeadId& other) const { return layer == other.layer && head == other.head; }
  bool operator<(const HeadId& other) const {
    return std::pair(layer, head) < std::pair(other.layer, other.head);
  }
};

/// The key and value head that query head `head` reads. kInvalidArgument for one that is not there.
int64_t kv_head(const ModelConfig& config, int64_t head);

/// A tensor with one entry for each key head along `axis` (keys, values, W_K [G, D, K]), repeated
/// for the query heads that share them: size G becomes H.
at::Tensor per_query_head(const ModelConfig& config, const at::Tensor& kv, int64_t axis);

/// W_V W_O of a head [D, D], rank K, in float32: what it writes for what it reads. Norms (ln1,
/// Gemma 2's ln1_post) and biases are not in it.
FactoredMatrix ov(const Weights& weights, const ModelConfig& config, int64_t layer, int64_t head);

/// W_Q W_K^T of a head [D, D], rank K, in float32: the score of a query's stream (rows) with a
/// key's (columns), before attn_scale. Rotary embedding, q and k norms and biases are not in it.
FactoredMatrix qk(const Weights& weights, const ModelConfig& config, int64_t layer, int64_t head);

}  // namespace weir
