#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

struct PromptLatentOptions {
  int64_t n_per_token = 5;
  int64_t n_latents = 10;
  /// Positions at the start that are shown but do not rank latents: the first token of a text often
  /// has a norm hundreds of times that of others, and dictionaries are trained without it.
  int64_t n_unranked = 1;
};

/// Which latents of a dictionary fire on one prompt.
struct PromptLatents {
  struct Fired {
    int64_t latent = 0;
    double value = 0;
  };
  std::vector<int64_t> tokens;               ///< [T]
  std::vector<std::vector<Fired>> by_token;  ///< [T], largest in size first.
  std::vector<int64_t> n_active;             ///< [T] latents that fire (L0).
  std::vector<int64_t> latents;              ///< By their largest size on ranked positions.
  std::vector<std::vector<double>> values;   ///< [latents][T]
  std::vector<double> explained;             ///< [T] 1 - ||x - x'||^2 / ||x||^2; NaN: transcoders.
};

/// Runs the model up to the dictionary's hook. kInvalidArgument for a dictionary that does not say
/// which activation it reads, or reads another width than this model has there.
PromptLatents prompt_latents(const LanguageModel& lm, const Sae& sae,
                             const std::vector<int64_t>& tokens,
                             const PromptLatentOptions& options = {});

}  // namespace weir
