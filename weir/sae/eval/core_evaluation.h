#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/eval/latent_counts.h"
#include "weir/sae/eval/prompt_ratio.h"
#include "weir/sae/eval/reconstruction.h"
#include "weir/sae/eval/token_filter.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

/// SAEBench's core evaluation (2503.09532) of dictionaries of one place on rows of tokens.
struct CoreOptions {
  int64_t batch = 16;       ///< Rows at once.
  int64_t n_loss_rows = 0;  ///< Rows, from the first on, whose losses are taken; 0: all.
  TokenFilterOptions
      filter;  ///< The others keep their activations where a dictionary is spliced in.
};

struct CoreEvaluation {
  ReconstructionScores reconstruction;
  LatentCounts counts = LatentCounts(0);
  /// Values by prompt, for intervals and paired differences: those of ReconstructionSums, "l0", and
  /// of losses, nats: ce_clean, ce_sae, ce_zero, ce_mean, delta_ce (sae - clean), kl_sae, kl_zero,
  /// kl_mean; and the shares won back: ce_recovered and ce_recovered_mean = (ablated - sae) /
  /// (ablated - clean), kl_recovered and kl_recovered_mean = (ablated - sae) / ablated. On models
  /// that an ablation helps the shares mean nothing: read delta_ce and kl_sae.
  std::map<std::string, PromptRatio> by_prompt;
  TokenCounts left_out;
  int64_t n_loss_tokens = 0;  ///< Kept, in the rows whose losses were taken.
};

/// tokens int64 [N, T]. One clean run for all dictionaries; two passes (the mean that one ablation
/// puts in is that of all kept tokens). Shows progress.
std::vector<CoreEvaluation> evaluate_core(const LanguageModel& lm,
                                          const std::vector<const Sae*>& saes,
                                          const at::Tensor& tokens, const CoreOptions& options);

}  // namespace weir
