#pragma once

#include <optional>

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/model/weights.h"
#include "weir/tensor/factored_matrix.h"

/// What the heads of a model read and write, as matrices on the residual stream (Elhage et al.
/// 2021), in row vectors as TransformerLens has them: a head writes x W_V W_O and scores
/// x W_Q W_K^T y^T. docs/methods/channels.md.
namespace weir {

struct CircuitOptions {
  /// The gain of the norm before attention goes into W_Q, W_K and W_V (and its bias into their
  /// biases), gains of q and k norms into W_Q and W_K, that of a norm on what attention writes into
  /// W_O; of LayerNorm models what is read and written also loses its mean over d_model, which no
  /// LayerNorm lets through. false: weights as stored. The norms' own scales are in neither.
  bool fold = true;
  at::ScalarType dtype = at::kFloat;
};

/// The factors of one layer's H query heads; shared keys and values are repeated for the heads that
/// share them. D d_model, K d_head.
struct LayerHeads {
  at::Tensor W_Q, W_K, W_V;  ///< [H, D, K]
  at::Tensor W_O;            ///< [H, K, D]
  at::Tensor b_Q, b_K, b_V;  ///< [H, K], zeros where there is none

  FactoredMatrix ov() const { return {W_V, W_O}; }
  FactoredMatrix qk() const { return {W_Q, W_K.transpose(-2, -1)}; }
  /// Scores of a query `offset` positions behind the key (rotary models; 0 is the content alone).
  /// kInvalidArgument for a layer without rotary embedding.
  FactoredMatrix qk_at(const ModelConfig& config, int64_t layer, int64_t offset) const;
  /// [W_Q; b_Q] [W_K; b_K]^T, of (D + 1)-vectors that end in 1: scores with their biases.
  FactoredMatrix qk_augmented() const;
};

/// kUnsupported for models whose norms stand behind the sum, unless weights are wanted as stored.
LayerHeads layer_heads(const Weights& weights, const ModelConfig& config, int64_t layer,
                       const CircuitOptions& options = {});

/// Whether folded weights have lost their mean: what the heads read and write then lives in d_model
/// - 1 dimensions.
bool is_centred(const ModelConfig& config, const CircuitOptions& options);

/// Singular components of H matrices, in falling order: sum_i S_i left_i right_i^T.
struct HeadComponents {
  at::Tensor left;   ///< [H, D, K]: what OV reads; the query side of QK
  at::Tensor S;      ///< [H, K]
  at::Tensor right;  ///< [H, D, K]: what OV writes; the key side of QK
};
enum class SignRule {
  kLeft,  ///< The entry of largest magnitude of each left vector is positive: QK
  kRight  ///< Of each right vector: OV
};
HeadComponents head_components(const FactoredMatrix& heads, SignRule signs);
/// One head of several, as a batch of one.
FactoredMatrix one_head(const FactoredMatrix& heads, int64_t head);

/// For each component the first of those that it cannot be told from: neighbours whose singular
/// values lie closer than `tolerance` of the larger. Only the subspace of such a group means
/// anything. int64 [H, K].
at::Tensor degenerate_groups(const at::Tensor& singular_values, double tolerance = 1e-3);

}  // namespace weir
