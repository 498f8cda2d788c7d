#pragma once

#include <cstdint>
#include <vector>

#include "weir/base/bootstrap.h"

namespace weir {

/// A metric as a ratio of sums over prompts: value = sum above / sum below. Tokens of a prompt are
/// not independent, so intervals draw whole prompts; two dictionaries that saw the same prompts are
/// compared prompt by prompt (paired), which is what tells small differences apart.
///
///   explained variance: sum of squares less residuals, over the sum of squares about the mean
///   a mean over tokens: sums of tokens, over their numbers
///   recovered loss:     CE_ablated - CE_sae, over CE_ablated - CE_clean
struct PromptRatio {
  std::vector<double> above, below;  ///< One entry a prompt.

  double value() const;  ///< NaN for no prompts.
  MeanInterval interval(uint64_t seed = 0) const;
};

/// a - b on the same prompts, with the interval of the difference. Exact where both have the same
/// `below` (means over the same tokens, explained variance of the same activations); where they
/// differ, each resample takes the difference of the two ratios.
/// kInvalidArgument unless both have as many prompts.
MeanInterval difference(const PromptRatio& a, const PromptRatio& b, uint64_t seed = 0);

}  // namespace weir
