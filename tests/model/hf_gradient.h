#pragma once

#include <string>

#include "weir/model/loader.h"

namespace weir {

/// Asks for gradients of every matrix and gain of `weights`.
void require_gradients(Weights& weights);

/// d loss / d parameter under the parameter's Hugging Face name and layout, from the gradients of
/// what Weir holds: this states once more, apart from the loader, how the layouts correspond.
/// `weights` are those of the forward that gave `loss`.
at::Tensor hf_gradient(const std::string& name, const at::Tensor& loss, const LoadedModel& model,
                       const Weights& weights);

}  // namespace weir
