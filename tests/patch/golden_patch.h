#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/lm/language_model.h"
#include "weir/patch/grids.h"

namespace weir::testing {

/// Models of the golden files KIND_MODEL.safetensors.
inline std::vector<std::string> patch_cases(const std::string& kind) {
  std::vector<std::string> models;
  for (const std::string& file : golden_files("patch", ".safetensors")) {
    if (file.rfind(kind, 0) == 0) models.push_back(file.substr(kind.size()));
  }
  return models;
}

/// A golden file, the pairs it was made with, and its model in float64.
struct PatchGolden {
  PatchGolden(const std::string& kind, const std::string& model)
      : tensors(read_all(golden_topic("patch") / (kind + model + ".safetensors"))),
        prompts(read_all(golden_topic("patch") / ("pairs_" + model + ".safetensors"))),
        lm(LanguageModel::load(golden_topic("models") / model, {at::kDouble})) {
    pairs.clean.tokens = prompts.at("clean");
    pairs.corrupt.tokens = prompts.at("corrupt");
    pairs.answer = prompts.at("answer");
    pairs.wrong = prompts.at("wrong");
  }

  bool has(const std::string& key) const { return tensors.count(key) > 0; }
  /// 1e-9 in float64, 3e-6 where the reference keeps rotary tables or RMSNorm in float32 (README of
  /// the topic), of the largest entry of the array; 1e-6 where the golden itself is float32.
  void expect_near(const at::Tensor& found, const std::string& key) const {
    const at::Tensor& expected = tensors.at(key);
    ASSERT_EQ(found.sizes(), expected.sizes()) << key;
    const bool is_rough =
        lm.config().position == PositionKind::kRotary || lm.config().norm == NormKind::kRmsNorm;
    double within = is_rough ? 3e-6 : 1e-9;
    if (expected.scalar_type() == at::kFloat) within = std::max(within, 1e-6);
    const double largest = expected.abs().max().to(at::kDouble).item<double>();
    const double difference =
        (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
    EXPECT_LT(difference, within * std::max(1.0, largest)) << key;
  }

  std::map<std::string, at::Tensor> tensors, prompts;
  LanguageModel lm;
  PatchPairs pairs;
};

}  // namespace weir::testing
