// Gradients of activations in a batch with pads on the left, for every family.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"

namespace weir {
namespace {

class PaddedGradients : public testing::TestWithParam<std::string> {
 protected:
  PaddedGradients()
      : expected_(read_all(golden_folder(GetParam()) / "expected.safetensors")),
        model_(load_model(golden_folder(GetParam()))),
        transformer_(model_.config, model_.weights) {}

  // Of the sum of logits times fixed numbers, over real positions.
  std::map<std::string, at::Tensor> gradients(const at::Tensor& tokens, const at::Tensor& mask,
                                              const at::Tensor& direction,
                                              std::vector<std::string> names) const {
    CacheOptions options = only(std::move(names));
    options.gradients = true;
    ActivationCache cache(options);
    Hooks hooks(transformer_.hook_names());
    cache.attach(hooks);
    ForwardInput input;
    input.tokens = tokens;
    input.attention_mask = mask;
    input.hooks = &hooks;
    at::Tensor metric = transformer_.forward(input).logits * direction;
    if (mask.defined()) metric = metric.masked_fill(mask.logical_not().unsqueeze(-1), 0);
    return cache.gradients(metric.sum());
  }

  std::map<std::string, at::Tensor> expected_;
  LoadedModel model_;
  Transformer transformer_;
};

TEST_P(PaddedGradients, AreFiniteEverywhereAndThoseOfTheRowAlone) {
  const at::Tensor tokens = expected_.at("leftpad.tokens");
  const at::Tensor mask = expected_.at("leftpad.attention_mask").to(at::kBool);
  at::manual_seed(1);
  const at::Tensor direction = at::randn({tokens.size(0), tokens.size(1), model_.config.d_vocab});
  const auto found = gradients(tokens, mask, direction, {"*"});
  EXPECT_EQ(found.count("blocks.0.attn.hook_attn_scores"), 1U);
  for (const auto& [name, gradient] : found) {
    EXPECT_TRUE(!gradient.defined() || gradient.isfinite().all().item<bool>()) << name;
  }
  // Its frequencies follow the longest row of the batch.
  if (model_.config.rotary.scaling == "dynamic") return;
  int n_padded = 0;
  for (int64_t row = 0; row < tokens.size(0); ++row) {
    const int64_t n_pads = tokens.size(1) - mask[row].sum().item<int64_t>();
    const auto real = [&](const at::Tensor& x) {
      return x.slice(0, row, row + 1).slice(1, n_pads);
    };
    n_padded += n_pads > 0 ? 1 : 0;
    const std::vector<std::string> names = {"blocks.*.attn.hook_[qkv]", "blocks.*.hook_resid_pre"};
    for (const auto& [name, alone] : gradients(real(tokens), {}, real(direction), names)) {
      const double size = alone.abs().max().item<double>();
      EXPECT_LT(max_difference(real(found.at(name)), alone) / size, 1e-4) << name;
    }
  }
  EXPECT_GT(n_padded, 0);
}

INSTANTIATE_TEST_SUITE_P(Models, PaddedGradients, testing::ValuesIn(golden_names()),
                         [](const auto& instance) { return instance.param; });

}  // namespace
}  // namespace weir
