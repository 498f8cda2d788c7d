#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/lm/language_model.h"
#include "weir/recall/last_position.h"

/// The golden topic `recall` (its README.md): files KIND_MODEL.safetensors, found when a test runs.
namespace weir::testing {

using Tensors = std::map<std::string, at::Tensor>;

inline std::vector<std::string> recall_cases(const std::string& kind) {
  std::vector<std::string> cases;
  for (const std::string& name : golden_files("recall", ".safetensors")) {
    if (name.rfind(kind + "_", 0) == 0) cases.push_back(name.substr(kind.size() + 1));
  }
  return cases;
}

inline Tensors recall_tensors(const std::string& name) {
  return read_all(golden_topic("recall") / (name + ".safetensors"));
}

inline nlohmann::json recall_numbers(const std::string& name) {
  return io::read_json(golden_topic("recall") / (name + ".json"));
}

/// A golden model in float64.
inline LanguageModel recall_model(const std::string& name) {
  LoadOptions options;
  options.dtype = at::kDouble;
  return LanguageModel::load(golden_topic("models") / name, options);
}

/// Relative to the largest entry: float64 throughout; with rotary embeddings, whose tables may be
/// float32 in the reference, the README allows 1e-6.
inline double tolerance(const LanguageModel& lm) {
  return lm.config().position == PositionKind::kRotary ? 1e-6 : 1e-8;
}

/// Largest difference, relative to the largest expected entry (NaN and other shapes: infinity).
inline double relative_difference(const at::Tensor& found, const at::Tensor& expected) {
  if (found.sizes() != expected.sizes()) return INFINITY;
  const at::Tensor a = found.detach().to(at::kDouble), b = expected.to(at::kDouble);
  const double size = b.abs().max().item<double>();
  const at::Tensor difference = (a - b).abs().nan_to_num(INFINITY, INFINITY, INFINITY);
  return difference.max().item<double>() / (size > 0 ? size : 1);
}

/// "decomposition_gpt2_l1" -> "gpt2", 1
inline std::pair<std::string, int64_t> model_and_layer(const std::string& name) {
  const size_t at = name.rfind("_l");
  return {name.substr(0, at), std::stoll(name.substr(at + 2))};
}

}  // namespace weir::testing
