#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

/// Causal tracing (Meng et al. 2022, "Locating and editing factual associations in GPT"; their
/// released recipe): noise on the subject's embeddings, one state restored.
/// docs/methods/causal-tracing.md.
namespace weir {

struct TraceOptions {
  int64_t copies = 10;
  double scale = 3;  ///< Of the noise, in standard deviations of the subjects' embeddings
  uint32_t seed = 1;
  std::vector<int64_t> windows = {10};  ///< Layers restored together for attention and MLP outputs
  bool severed = false;  ///< Also with later attention (MLP) outputs at the token kept as noised
  /// Standard deviation of all embedding entries of the subjects; 0: of this prompt's subject.
  double sigma = 0;
};

/// One prompt. T tokens, L layers; probabilities are means over the noised copies.
struct Trace {
  int64_t answer = 0;  ///< The clean run's top token
  double p_clean = 0, p_corrupt = 0, sigma = 0;
  at::Tensor noise;                         ///< float64 [copies, subject tokens, D], added
  at::Tensor hidden;                        ///< [T, L]: resid_post of one token and layer restored
  std::map<int64_t, at::Tensor> mlp, attn;  ///< By window [T, L]
  at::Tensor severed_mlp, severed_attn;     ///< [T, L]
};

/// `tokens` with the subject at first .. last (both included).
Trace causal_trace(const LanguageModel& lm, const std::vector<int64_t>& tokens,
                   int64_t subject_first, int64_t subject_last, const TraceOptions& options = {});

/// Standard deviation (n - 1) of all entries of embeddings: what TraceOptions::sigma wants, over
/// the subjects of a data set.
double embedding_sigma(const LanguageModel& lm, const std::vector<std::vector<int64_t>>& subjects);

}  // namespace weir
