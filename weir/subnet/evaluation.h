#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/transformer.h"
#include "weir/subnet/correlation.h"
#include "weir/subnet/subnetwork.h"
#include "weir/subnet/token_target.h"

namespace weir {

struct EvaluationOptions {
  int64_t batch = 8;            ///< Rows at once.
  bool cut_vocabulary = false;  ///< Surprisals within the target's vocabulary only.
};

/// A model against a target on text. Means over positions are of all T of every row for the
/// distributions, of the T - 1 predicted tokens for surprisals.
struct Evaluation {
  double cross_entropy = 0;  ///< To the target's distributions, nats.
  double kl = 0;             ///< KL(target || model), nats.
  double loss = 0;           ///< Of the text itself: mean surprisal in nats.
  at::Tensor surprisal;      ///< float64 [N, T - 1], bits
  at::Tensor target_surprisal;
  Correlation dropped, replaced;  ///< Of both, by what becomes of infinite targets.
};

/// tokens int64 [N, T]. Shows progress; float64 where the transformer computes in it.
Evaluation evaluate(const Transformer& transformer, const Weights& weights,
                    const at::Tensor& tokens, const TokenTarget& target,
                    const EvaluationOptions& options = {});

/// The same of vectors that stand in for the stream after the last block: x [D] a position, of rows
/// of tokens (a map of embeddings, for example).
using StreamOf = std::function<at::Tensor(const at::Tensor& tokens)>;  ///< [B, T] -> [B, T, D]
Evaluation evaluate_stream(const Transformer& transformer, const StreamOf& stream,
                           const at::Tensor& tokens, const TokenTarget& target,
                           const EvaluationOptions& options = {});

/// Entries of a subnetwork by matrix: "0.q", "0.k", ..., "0.mlp_out", in forward order.
struct MatrixCount {
  std::string block;
  int64_t layer = 0;
  MatrixKind kind = MatrixKind::kQ;
  int64_t size = 0, active = 0;
  double share() const {
    return size > 0 ? static_cast<double>(active) / static_cast<double>(size) : 0;
  }
};
std::vector<MatrixCount> active_by_matrix(const Subnetwork& subnetwork);
/// Of all active entries, how many are in matrices of a kind ("q", ...), and in each layer.
std::map<std::string, double> share_by_kind(const std::vector<MatrixCount>& counts);
std::vector<double> share_by_layer(const std::vector<MatrixCount>& counts);

}  // namespace weir
