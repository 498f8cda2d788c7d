#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/lm/language_model.h"

namespace weir::testing {

/// What stands after KIND in the golden files KIND_NAME.safetensors.
inline std::vector<std::string> channel_cases(const std::string& kind) {
  std::vector<std::string> names;
  for (const std::string& file : golden_files("channels", ".safetensors")) {
    if (file.rfind(kind + "_", 0) == 0) names.push_back(file.substr(kind.size() + 1));
  }
  return names;
}

/// A golden file of the topic and its model in float64: one of the topic's own planted models, or
/// of the topic `models`.
struct ChannelGolden {
  ChannelGolden(const std::string& kind, const std::string& name)
      : tensors(read_all(golden_topic("channels") / (kind + "_" + name + ".safetensors"))),
        notes(io::read_json(golden_topic("channels") / (kind + "_" + name + ".json"))),
        lm(LanguageModel::load(folder(notes["model"].get<std::string>()), {at::kDouble})) {}

  static std::filesystem::path folder(const std::string& model) {
    const auto own = golden_topic("channels") / "models" / model;
    return std::filesystem::exists(own) ? own : golden_topic("models") / model;
  }
  bool has(const std::string& key) const { return tensors.count(key) > 0; }
  /// `within` of the largest entry of the array, or of 1; 1e-6 where the golden is float32.
  void expect_near(const at::Tensor& found, const std::string& key, double within) const {
    const at::Tensor& expected = tensors.at(key);
    ASSERT_EQ(found.sizes(), expected.sizes()) << key;
    if (expected.scalar_type() == at::kFloat) within = std::max(within, 1e-6);
    const at::Tensor wide = expected.to(at::kDouble);
    const double largest = wide.abs().max().item<double>();
    EXPECT_LT((found.to(at::kDouble) - wide).abs().max().item<double>(),
              within * std::max(1.0, largest))
        << key;
  }

  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;
  LanguageModel lm;
};

}  // namespace weir::testing
