#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "weir/nn/activation.h"
#include "weir/nn/norm.h"
#include "weir/nn/rotary.h"

/// Everything in which the supported families differ, as data. One forward reads it; there is no
/// switch over families anywhere else. Letters: docs/reference/notation.md.
namespace weir {

enum class PositionKind { kNone, kLearned, kRotary, kAlibi };
/// kOwnPerHead: a gain for each head (StableLM 2 12B); kPerHead: one for all.
enum class QkNorm { kNone, kPerHead, kOwnPerHead, kWholeProjection };

struct ModelConfig {
  std::string family;  ///< Registry name: "gpt2", "llama", ...
  std::string name;    ///< For people.
  int64_t n_layers = 0, d_model = 0, n_heads = 0, n_kv_heads = 0, d_head = 0, d_mlp = 0;
  int64_t d_vocab = 0;
  int64_t n_ctx = 0;  ///< Longest trained context.

  NormKind norm = NormKind::kLayerNorm;
  double norm_eps = 1e-5;
  double norm_offset = 0;       ///< 1 where the gain is stored as w - 1 (Gemma).
  bool pre_norm = true;         ///< false: x = ln1(x + attn), x = ln2(x + mlp) (OPT-350m).
  bool parallel_block = false;  ///< x + attn(ln1 x) + mlp(ln2 x); without ln2 the MLP reads ln1 x.
  bool residual_after_norm = false;  ///< ln1(x) + attn, ln2(..) + mlp (BLOOM option).
  bool embed_norm = false;           ///< LayerNorm right after the embedding (BLOOM).
  bool norm_folded = false;  ///< Gains and biases are folded into the weights that read them.

  PositionKind position = PositionKind::kNone;
  RotaryConfig rotary;
  std::optional<RotaryConfig> rotary_local;  ///< For windowed layers, when they differ (Gemma 3).
  std::vector<bool> layer_has_rotary;        ///< Empty: all (SmolLM3 leaves some out).
  std::vector<int64_t>
      layer_window;  ///< Keys visible to a query, itself included; 0: all. Empty: all 0.

  double attn_scale = 1;                ///< Multiplies q . k.
  bool scale_by_inverse_layer = false;  ///< Further / (layer + 1) (GPT-2 option).
  QkNorm qk_norm = QkNorm::kNone;
  double attn_softcap = 0;  ///< cap * tanh(scores / cap); 0: none.
  double logit_softcap = 0;

  Activation activation = Activation::kGeluTanh;
  bool gated_mlp = false;
  double embed_scale = 1;  ///< Multiplies the token embedding (Gemma: sqrt(d_model)).
  bool tied = false;       ///< W_U is W_E transposed, one storage.

  std::optional<int64_t> bos, eos;
  std::vector<int64_t> more_eos;  ///< End tokens beside `eos`, where config.json lists several.

  int64_t window(int64_t layer) const { return layer_window.empty() ? 0 : layer_window[layer]; }
  bool has_rotary(int64_t layer) const {
    return position == PositionKind::kRotary &&
           (layer_has_rotary.empty() || layer_has_rotary[layer]);
  }
  const RotaryConfig& rotary_of(int64_t layer) const {
    return rotary_local && window(layer) > 0 ? *rotary_local : rotary;
  }
};

}  // namespace weir
