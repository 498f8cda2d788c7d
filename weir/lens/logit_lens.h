#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lens/tuned_lens.h"
#include "weir/lm/language_model.h"
#include "weir/report/report.h"

namespace weir {

enum class LensSite { kResidPre, kResidMid, kResidPost };

struct LensOptions {
  std::vector<LensSite> sites = {LensSite::kResidPost};
  bool embedding = true;   ///< The stream entering block 0 comes first.
  bool final_norm = true;  ///< false: W_U on the raw stream.
  int64_t top_k = 10;
  /// Translators before the final norm, for streams that enter a block; the stream that leaves the
  /// last one has none. Needs final_norm and no kResidMid.
  const TunedLens* tuned = nullptr;
  std::vector<Intervention> interventions;
};

/// Reads of N streams (forward order) at T positions of one prompt.
struct LensResult {
  std::vector<std::string> points;  ///< [N] hook names
  std::vector<int64_t> tokens;      ///< [T]
  std::vector<std::string> token_text;
  at::Tensor entropy;               ///< [N, T] nats
  at::Tensor kl_to_final;           ///< [N, T] nats, KL(model's output || lens)
  at::Tensor next_log_prob;         ///< [N, T-1] of the token that really follows
  at::Tensor next_rank;             ///< int64 [N, T-1]
  at::Tensor top_ids;               ///< int64 [N, T, k]
  at::Tensor top_log_probs;         ///< [N, T, k]
  at::Tensor output_log_prob;       ///< [T-1] of the token that really follows, by the model itself
  at::Tensor output_rank;           ///< int64 [T-1]
  at::Tensor output_top_ids;        ///< int64 [T, k]
  at::Tensor output_top_log_probs;  ///< [T, k]
  bool final_norm = true;
  bool tuned = false;
};

/// The logit lens (nostalgebraist 2020): the model's unembedding applied to every residual stream
/// in one pass over the vocabulary, never holding [T, V]. `tokens`: one prompt. Tensors are on the
/// CPU; those of the top tokens are undefined when top_k is 0. docs/methods/logit-lens.md.
LensResult logit_lens(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                      const LensOptions& options = {});

/// Token strip, layer x position map (top token, its probability), table of the last position,
/// entropy and KL curves. Provenance is the caller's to fill.
Report lens_report(const LanguageModel& lm, const LensResult& result);

}  // namespace weir
