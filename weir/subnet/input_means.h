#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"
#include "weir/subnet/mask_space.h"

namespace weir {

/// What each part's matrix reads on average over all positions of tokens int64 [N, T], float64
/// [in] each: for MaskSpace::ablate_to_means. `batch`: rows at once.
std::vector<at::Tensor> input_means(const LanguageModel& lm, const MaskSpace& space,
                                    const at::Tensor& tokens, int64_t batch = 8);

}  // namespace weir
