#pragma once

#include "tests/subnet/golden_subnet.h"
#include "weir/lm/language_model.h"
#include "weir/subnet/mask_training.h"

namespace weir::testing {

/// A golden file of masks, by name of its model.
class GoldenMasks : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenMasks()
      : golden_("mask_" + GetParam()),
        lm_(LanguageModel::load(golden_topic("models") / GetParam(), {at::kDouble})),
        space_(lm_.transformer().weights(), lm_.config(), MaskUnit::kWeight, at::kDouble),
        method_(continuous_sparsification()),
        bigrams_(NgramModel::load(subnet_file("ngram_" + GetParam() + ".safetensors"))),
        target_(ngram_target(bigrams_)) {}

  /// Tensors PREFIX.NAME as the parts of the space.
  std::vector<at::Tensor> parts(const std::string& prefix) const {
    std::map<std::string, at::Tensor> named;
    for (const auto& [name, tensor] : golden_.tensors) {
      if (name.rfind(prefix + ".", 0) == 0) named[name.substr(prefix.size() + 1)] = tensor;
    }
    return from_hugging_face(lm_.source(), named);
  }
  Subnetwork mask(const std::string& prefix) const {
    std::vector<at::Tensor> keep;
    for (const at::Tensor& part : parts(prefix)) keep.push_back(part > 0);
    return subnetwork_of(space_, std::move(keep));
  }
  at::Tensor logits(const Weights& weights) const {
    RunOptions options;
    options.weights = &weights;
    return lm_.run({golden_.at("ids"), {}}, options).logits;
  }
  void expect_logits(const Subnetwork& kept, const std::string& key) const {
    if (!golden_.has(key)) return;
    const at::Tensor& expected = golden_.at(key);
    EXPECT_LT(max_difference(logits(applied(space_, kept)), expected), kValue) << key;
  }
  static void expect_near(const std::vector<at::Tensor>& found,
                          const std::vector<at::Tensor>& expected, double within) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const double largest = expected[i].abs().max().item<double>();
      EXPECT_LT(max_difference(found[i], expected[i]), within * std::min(1.0, largest)) << i;
    }
  }

  static constexpr double kValue = 1e-6;

  SubnetGolden golden_;
  LanguageModel lm_;
  MaskSpace space_;
  std::unique_ptr<MaskMethod> method_;
  NgramModel bigrams_;
  std::unique_ptr<TokenTarget> target_;
};

}  // namespace weir::testing
