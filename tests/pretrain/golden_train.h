#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/data/batches.h"
#include "weir/model/loader.h"

/// The golden topic `train` (its README): cases by listing, and parameters under Hugging Face's
/// names.
namespace weir {

using Tensors = std::map<std::string, at::Tensor>;

/// Names of the cases "START_NAME" of the topic: their safetensors.
std::vector<std::string> train_cases(const std::string& start);
Tensors train_tensors(const std::string& name);
nlohmann::json train_notes(const std::string& name);

/// A model of the topic `models`, in memory of its own.
LoadedModel golden_own_model(const std::string& name);

/// `values`, one for each of `parameters`, as the checkpoint of `model` would hold them: fused and
/// transposed as its family does.
Tensors under_hf_names(const LoadedModel& model, const std::vector<std::string>& names,
                       const std::vector<at::Tensor>& values);
std::vector<std::string> names_of(const std::vector<Parameter>& parameters);

/// Rows that predict their own tokens.
data::Batch rows(const at::Tensor& ids);

}  // namespace weir
