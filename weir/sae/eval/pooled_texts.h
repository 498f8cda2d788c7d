#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/eval/token_filter.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

struct PoolOptions {
  int64_t context = 128;  ///< Tokens of a text that are read.
  int64_t batch = 16;
  TokenFilterOptions filter;
};

/// Means over a text's tokens, float32 on the CPU.
struct PooledTexts {
  at::Tensor x;                     ///< [N, d]: the activation the dictionaries read, heads flat.
  std::vector<at::Tensor> latents;  ///< [N, F] for each dictionary.
  TokenCounts left_out;
};

/// One run of the model for all dictionaries, which read one place. A text of which no token is
/// left counts as zeros. Shows progress.
PooledTexts pool_texts(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                       const std::vector<std::string>& texts, const PoolOptions& options = {});

/// Pooled activations after latents (bool [F]) were set to 0 at every token and the dictionary's
/// error kept: x less what those latents write. Exact, as decoders are linear; kUnsupported where
/// what a latent writes depends on the token (layer norm, constant norm) or goes elsewhere
/// (transcoders).
at::Tensor without_latents(const Sae& sae, const at::Tensor& x, const at::Tensor& latents,
                           const at::Tensor& removed);

}  // namespace weir
