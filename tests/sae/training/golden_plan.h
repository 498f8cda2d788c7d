#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json.hpp>

#include "weir/sae/training/presets.h"
#include "weir/sae/training/sae_trainer.h"

/// The golden topic `sae-train`: its cases are trainers of other libraries, each one setting of
/// ours.
namespace weir {

using Tensors = std::map<std::string, at::Tensor>;

/// steps.json; its cases that have steps.
const nlohmann::json& golden_steps();
std::vector<std::string> golden_step_cases();
Tensors golden_sae_tensors(const std::string& name);
/// Entries "PREFIX.NAME" by our names, in float64.
Tensors golden_weights(const Tensors& tensors, const std::string& prefix);

/// `plan` at the start weights of common.safetensors in float64, its sizes filled in.
Sae golden_start(const Tensors& common, SaeTrainingPlan* plan);

struct GoldenCase {
  SaeTrainingPlan plan;
  Sae start;
  at::Tensor since_fired;  ///< int64 [F]
  bool averages = false;   ///< after6_eval is there too
};
GoldenCase golden_case(const std::string& name);

}  // namespace weir
