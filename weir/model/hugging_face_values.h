#pragma once

#include <map>
#include <string>
#include <vector>

#include "weir/model/loader.h"

namespace weir {

/// Values of parameters (gradients, say) as tensors under Hugging Face's names, shapes and layouts;
/// `values[i]` belongs to `parameters[i]`, undefined ones are left out. A tied table is one tensor.
/// Parts of a fused tensor without a value are 0. kInvalidArgument for a parameter without a place
/// in the checkpoint.
std::map<std::string, at::Tensor> under_hugging_face_names(const LoadedModel& model,
                                                           const std::vector<Parameter>& parameters,
                                                           const std::vector<at::Tensor>& values);

}  // namespace weir
