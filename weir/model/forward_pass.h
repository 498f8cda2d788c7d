#pragma once

#include <array>
#include <string>

#include "weir/model/transformer.h"
#include "weir/nn/attention.h"

namespace weir {

/// One run of the model: the readable path from tokens to logits. Lives for one call; every family
/// goes through it. Hooks are consulted at each named place; without hooks that is one branch.
/// Letters: B batch, T new positions, S all positions, D d_model, H heads, G key heads, K d_head.
class ForwardPass {
 public:
  ForwardPass(const ModelConfig& config, const Weights& weights, at::ScalarType dtype,
              const ForwardInput& input);
  /// Keeps a reference to `input`: a temporary would be gone.
  ForwardPass(const ModelConfig&, const Weights&, at::ScalarType, ForwardInput&&) = delete;

  ForwardOutput run();
  /// Final norm, unembedding and soft cap of residual [..., D].
  at::Tensor unembed(const at::Tensor& residual, bool final_norm);

 private:
  at::Tensor embed();
  at::Tensor block(int64_t layer, const at::Tensor& residual);
  /// Which parts of a layer's attention have to be computed: all, unless values are given.
  struct AttentionNeeds {
    bool output = true;               ///< What attention writes
    bool mixed = true;                ///< z
    bool scores = true;               ///< And so queries
    bool keys = true, values = true;  ///< A KV cache needs them whatever is given.
    bool normalized = true;           ///< ln1 of the stream
  };
  AttentionNeeds attention_needs(int64_t layer) const;
  /// attention and its post-norm, or what is given in their place; undefined where hook_resid_mid
  /// is.
  at::Tensor attention_output(int64_t layer, const at::Tensor& residual,
                              const at::Tensor& normalized, const AttentionNeeds& needs);
  at::Tensor attention(int64_t layer, const at::Tensor& residual, const at::Tensor& normalized,
                       const AttentionNeeds& needs);
  std::array<at::Tensor, 3> queries_keys_values(int64_t layer, const at::Tensor& residual,
                                                const at::Tensor& normalized,
                                                const AttentionNeeds& needs);
  at::Tensor mlp_input(int64_t layer, const at::Tensor& stream, const at::Tensor& residual,
                       const at::Tensor& attn_input);
  at::Tensor mlp(int64_t layer, const at::Tensor& normalized);
  /// `normalized` is undefined where mlp.hook_post is given: then nothing reads it.
  at::Tensor mlp_hidden(int64_t layer, const at::Tensor& normalized);

  /// What queries, keys and values are made from.
  struct AttentionInput {
    at::Tensor residual;      ///< [B, T, D]
    at::Tensor normalized;    ///< [B, T, D]
    at::Tensor per_head;      ///< [B, T, H, D]: what hook_attn_in left; undefined: not hooked.
    bool is_changed = false;  ///< hook_attn_in left something else than copies of the residual.
  };
  at::Tensor project(int64_t layer, const char* input_site, const AttentionInput& input,
                     const Matrix& matrix, const at::Tensor& bias, int64_t n_heads);
  at::Tensor qk_norm(const std::string& prefix, const at::Tensor& x, const NormWeights& weights);
  std::pair<at::Tensor, at::Tensor> rotated(int64_t layer, const at::Tensor& q,
                                            const at::Tensor& k);
  at::Tensor mixed_values(int64_t layer, const at::Tensor& q, const at::Tensor& k,
                          const at::Tensor& v, bool needs_scores);
  at::Tensor output_projection(int64_t layer, const at::Tensor& z);

  /// The norm `weights` of x; its two hook points are named prefix.hook_scale, .hook_normalized.
  at::Tensor normed(const std::string& prefix, const at::Tensor& x, const NormWeights& weights);
  at::Tensor tap(const std::string& name, at::Tensor x) const;
  at::Tensor tap(int64_t layer, const char* site, at::Tensor x) const;
  bool wants(int64_t layer, const char* site) const;
  /// True where the site's value is given and nothing is attached after `from` that leads to it.
  bool skips(int64_t layer, const char* from, const char* site) const;
  /// True where q, k or v is given and no hook looks at what it would be made from.
  bool made_without_input(int64_t layer, const char* input_site, const char* site) const;
  bool reads_mlp_input(int64_t layer) const;
  bool only_last_is_read(int64_t layer) const;
  /// The value given at a site of a layer as that shape, else undefined.
  at::Tensor given(int64_t layer, const char* site, at::IntArrayRef shape) const;
  static std::string name_of(int64_t layer, const char* site);

  const ModelConfig& config_;
  const Weights& weights_;
  at::ScalarType dtype_;
  const ForwardInput& input_;
  const Hooks* hooks_;
  int64_t first_position_ = 0;  ///< Positions already in the cache.
  int64_t n_rows_ = 0, n_new_ = 0;
  bool only_last_ = false;     ///< In this block: only_last_is_read().
  at::TensorOptions options_;  ///< Type and device of the activations.
  at::Tensor mask_;            ///< bool [B, S] or undefined
  at::Tensor segments_;        ///< int64 [B, T] or undefined
  /// int64 [B, S] or [S]: position of each token among the real ones of its document
  at::Tensor key_positions_;
  std::vector<std::pair<const RotaryConfig*, RotaryTables>> tables_;
};

}  // namespace weir
