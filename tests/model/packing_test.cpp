// Documents packed in a row are as if each were run alone: logits and gradients.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "tests/model/golden_model.h"
#include "weir/base/error.h"

namespace weir {
namespace {

// Three documents of these lengths fill the row of a golden's first tokens.
std::vector<int64_t> lengths_of(int64_t n) { return {n / 4, n / 2, n - n / 4 - n / 2}; }

class Packing : public testing::TestWithParam<std::string> {
 protected:
  explicit Packing(at::ScalarType type = at::kFloat)
      : model_(load_model(golden_folder(GetParam()))),
        tokens_(read_all(golden_folder(GetParam()) / "expected.safetensors")
                    .at("tokens")
                    .slice(0, 0, 1)),
        type_(type) {}

  at::Tensor logits(const Weights& weights, const at::Tensor& tokens,
                    const at::Tensor& segments) const {
    ForwardInput input;
    input.tokens = tokens;
    input.segments = segments;
    return Transformer(model_.config, weights, type_).forward(input).logits;
  }
  at::Tensor segments() const {
    std::vector<int64_t> ids;
    for (const int64_t length : lengths_of(tokens_.size(1))) {
      ids.insert(ids.end(), length, ids.empty() ? -2 : ids.back() + 3);
    }
    return at::tensor(ids, at::kLong).unsqueeze(0);
  }
  at::Tensor apart(const Weights& weights) const {
    std::vector<at::Tensor> parts;
    int64_t first = 0;
    for (const int64_t length : lengths_of(tokens_.size(1))) {
      parts.push_back(logits(weights, tokens_.slice(1, first, first + length), {}));
      first += length;
    }
    return at::cat(parts, 1);
  }

  LoadedModel model_;
  at::Tensor tokens_;
  at::ScalarType type_;
};

TEST_P(Packing, GivesTheLogitsAndGradientsOfSeparateRuns) {
  std::vector<at::Tensor> found;
  for (const bool packed : {true, false}) {
    Weights weights = to(model_.weights, at::kCPU, at::kFloat);
    const at::Tensor leaf = weights.blocks[0].attn.W_K.storage().clone().requires_grad_(true);
    weights.blocks[0].attn.W_K = Matrix(leaf);
    const at::Tensor y = packed ? logits(weights, tokens_, segments()) : apart(weights);
    found.push_back(y.detach());
    at::manual_seed(1);
    found.push_back(torch::autograd::grad({y}, {leaf}, {at::randn(y.sizes())})[0]);
  }
  // Float32 rounding (golden_test.cpp); another document in sight moves logits by about 0.5.
  EXPECT_LT(max_difference(found[0], found[2]), 1e-4);
  EXPECT_LT(max_difference(found[1], found[3]) / found[3].abs().max().item<double>(), 1e-4);
  const at::Tensor unpacked = logits(model_.weights, tokens_, {});
  EXPECT_GT(max_difference(unpacked, found[0]), 1e-2) << "the documents see each other";
}

TEST_P(Packing, GoesTogetherWithPads) {
  const int64_t n_pads = 3;
  const at::Tensor pads = at::zeros({1, n_pads}, at::kLong);
  ForwardInput input;
  input.tokens = at::cat({pads, tokens_}, 1);
  input.segments = at::cat({pads - 2, segments()}, 1);
  input.attention_mask = at::cat({pads, at::ones_like(tokens_)}, 1).to(at::kBool);
  const at::Tensor padded =
      Transformer(model_.config, model_.weights).forward(input).logits.slice(1, n_pads);
  EXPECT_LT(max_difference(padded, logits(model_.weights, tokens_, segments())), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(Models, Packing,
                         testing::Values("gpt2", "llama_gqa_tied", "bloom", "mistral_sliding",
                                         "gemma3_text", "opt", "gpt_neo"),
                         [](const auto& instance) { return instance.param; });

TEST(PackedRows, AreRefusedWhereTheyMeanNothing) {
  const LoadedModel model = load_model(golden_folder("gpt2"));
  const Transformer transformer(model.config, model.weights);
  ForwardInput input;
  input.tokens = at::zeros({1, 4}, at::kLong);
  const auto refuses = [&](const at::Tensor& segments) {
    input.segments = segments;
    EXPECT_THROW(transformer.forward(input), Error) << c10::str(segments);
  };
  refuses(at::tensor({{0}}, at::kLong));
  refuses(at::tensor({0, 1, 0, 1}, at::kLong).unsqueeze(0));
  refuses(at::tensor({0, 0, 1, 1}, at::kInt).unsqueeze(0));
  KvCache cache(model.config.n_layers);
  input.segments = at::Tensor();
  input.cache = &cache;
  transformer.forward(input);
  refuses(at::tensor({0, 0, 1, 1}, at::kLong).unsqueeze(0));
}

}  // namespace
}  // namespace weir
