#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "weir/sae/attention/frozen_run.h"

/// Recursive attribution of one feature of an attention layer, exactly: how much of its
/// pre-activation each earlier feature, token, MLP and bias gives, over all paths at once. Direct
/// attribution (feature_attribution.h) is one step; here every attention feature on the way is
/// taken apart in turn (the recursion that 2406.17759 describes).
namespace weir {

struct FeatureAt {
  int64_t layer = 0, feature = 0, position = 0;
};

/// What is taken apart no further, at each position [T]:
///   embed, pos, attn.L (a layer without a dictionary), mlp.L, attn_error.L (z minus its
///   reconstruction), attn_bias.L (b_dec W_O + b_O), enc_bias.L (the constants of active features),
///   b_V.L.H, ln1_bias.L, ln1_post_bias.L; with transcoders tc_error.L, tc_bias.L, tc_enc_bias.L,
///   ln2_bias.L.
struct Leaf {
  std::string name;
  at::Tensor values;
};

struct RecursiveAttribution {
  FeatureAt target;
  double pre = 0;            ///< The feature's pre-activation.
  double sum_of_leaves = 0;  ///< Equal to it, up to rounding.
  std::vector<Leaf> leaves;
  /// For each layer below the target's: what features give in all, f * d target / d f, at the
  /// places of FrozenBlock::attention (and ::mlp) [T, K]; undefined without a dictionary. No
  /// leaves: each counts what flows through it.
  std::vector<at::Tensor> features, transcoder_features;
  /// d target / d stream entering each block, [T, D], up to the target's.
  std::vector<at::Tensor> covectors;

  const at::Tensor& leaf(const std::string& name) const;  ///< kNotFound
  /// |leaves that are errors of dictionaries| / |all leaves|: much of it means that the features do
  /// not tell the story.
  double error_share() const;
};

/// By dynamic programming: one covector a layer and position, so the cost is that of a backward
/// pass, O(layers (T^2 H K + T D (D + n))), whatever the number of paths. Nothing can cycle: a
/// covector only moves to lower layers and earlier positions. kInvalidArgument when the target does
/// not fire.
RecursiveAttribution attribute_recursively(const FrozenRun& run, const FeatureAt& target);

/// What a dictionary's latents give for a covector on what they write: for ActiveLatents at places
/// [T, K], given each row's reading of the covector.
struct WriterPull {
  at::Tensor weights;  ///< [T, K]: d target / d f, 0 where nothing fires
  at::Tensor input;    ///< [T, d_in]: covector on what the dictionary reads
};
/// `writes` [n, D] are the rows as they reach the covector's space.
WriterPull pull_latents(const ActiveLatents& latents, const at::Tensor& writes,
                        const at::Tensor& covector);

}  // namespace weir
