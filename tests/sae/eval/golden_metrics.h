#pragma once

#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/sae/kinds/sae.h"

/// Files of the golden topic sae-metrics: NAME.json and NAME.safetensors.
namespace weir::testing {

/// Reference sums are float32's of some hundred terms (README: 1e-4 relative).
constexpr double kSum = 1e-4;

struct GoldenMetrics {
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;

  const at::Tensor& tensor(const std::string& name) const { return tensors.at(name); }
  /// Of the weights "sae.*".
  Sae sae() const {
    Sae sae;
    for (const auto& [name, value] : tensors) {
      if (name.rfind("sae.", 0) == 0) sae.weights[name.substr(4)] = value;
    }
    sae.config.kind = sae.weights.count("threshold") == 1 ? "jumprelu" : "standard";
    sae.config.d_sae = sae.weight("W_dec").size(0);
    sae.config.d_in = sae.config.d_out = sae.weight("W_dec").size(1);
    check_sae(sae);
    return sae;
  }
};

inline GoldenMetrics read_metrics(const std::string& name) {
  const auto folder = golden_topic("sae-metrics");
  GoldenMetrics golden;
  if (std::filesystem::exists(folder / (name + ".safetensors"))) {
    golden.tensors = read_all(folder / (name + ".safetensors"));
  }
  golden.notes = io::read_json(folder / (name + ".json"));
  return golden;
}

inline void expect_close(double found, const nlohmann::json& expected, const std::string& what,
                         double tolerance = kSum) {
  const auto value = expected.get<double>();
  EXPECT_NEAR(found, value, tolerance * std::max(1.0, std::abs(value))) << what;
}

}  // namespace weir::testing
