// What transformers' _init_weights would draw from: kinds of values by tensor, exactly where they
// are constants, by their moments where they are random. A std estimated from n values is off by
// 1/sqrt(2n) of itself, a mean by std/sqrt(n): six of these are allowed, which no seed reaches.
#include "weir/model/initial_weights.h"

#include <cmath>
#include <fstream>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "weir/base/ends_with.h"
#include "weir/io/json.h"
#include "weir/model/convert.h"
#include "weir/model/own.h"

namespace weir {
namespace {

nlohmann::json config_of(const std::string& name) {
  return io::read_json(golden_folder(name) / "config.json");
}

std::map<std::string, at::Tensor> tensors_of(const LoadedModel& model) {
  const io::TemporaryFolder folder;
  save_hf(model, folder / "out");
  std::map<std::string, at::Tensor> copies;
  for (const auto& [name, tensor] : read_all(folder / "out" / "model.safetensors")) {
    copies[name] = tensor.clone();
  }
  return copies;
}

void expect_normal(const at::Tensor& values, double std, const std::string& name) {
  const double n = static_cast<double>(values.numel());
  const at::Tensor v = values.to(at::kDouble);
  EXPECT_NEAR(v.mean().item<double>(), 0, 6 * std / std::sqrt(n)) << name;
  EXPECT_NEAR(v.square().mean().sqrt().item<double>(), std, 6 * std / std::sqrt(2 * n)) << name;
  // Kurtosis 3 tells it from a uniform or a clipped one (1.8 and less).
  if (n > 1000) {
    EXPECT_NEAR(v.pow(4).mean().item<double>() / std::pow(std, 4), 3, 1.2) << name;
  }
}

class InitialWeights : public testing::TestWithParam<std::string> {};

TEST_P(InitialWeights, AreThoseOfTheFamily) {
  nlohmann::json config = config_of(GetParam());
  config["pad_token_id"] = 3;
  const LoadedModel model = initial_weights(config, 7);
  const LoadedModel golden = load_model(golden_folder(GetParam()));
  EXPECT_EQ(n_parameters(model.weights, model.config), n_parameters(golden.weights, golden.config));
  const bool is_gpt2 = model.config.family == "gpt2";
  for (const auto& [name, tensor] : tensors_of(model)) {
    if (tensor.dim() == 1) {
      const double constant = ends_with(name, ".bias") ? 0 : 1 - model.config.norm_offset;
      EXPECT_TRUE(tensor.eq(constant).all().item<bool>()) << name;
      continue;
    }
    const bool writes = is_gpt2 && ends_with(name, "c_proj.weight");
    const double scale = writes ? std::sqrt(2.0 * static_cast<double>(model.config.n_layers)) : 1;
    at::Tensor values = tensor;
    if (ends_with(name, "embed_tokens.weight")) {
      EXPECT_TRUE(tensor[3].eq(0).all().item<bool>()) << name;
      values = at::cat({tensor.slice(0, 0, 3), tensor.slice(0, 4)});
    }
    expect_normal(values, 0.02 / scale, name);
  }
}

// The loss of a model that knows nothing is near that of a uniform guess.
TEST_P(InitialWeights, CanBeTrained) {
  LoadedModel model = initial_weights(config_of(GetParam()), 1);
  const std::vector<Parameter> leaves = trainable(model, {"blocks.*"});
  ForwardInput input;
  input.tokens = at::arange(4, 20, at::kLong).unsqueeze(0);
  const Transformer transformer(model.config, model.weights);
  const at::Tensor loss = next_token_loss(transformer.forward(input).logits, input.tokens);
  EXPECT_NEAR(loss.item<double>(), std::log(static_cast<double>(model.config.d_vocab)), 0.5);
  loss.backward();
  for (const Parameter& leaf : leaves) EXPECT_TRUE(leaf.held().grad().defined()) << leaf.name;
}

INSTANTIATE_TEST_SUITE_P(Models, InitialWeights, testing::ValuesIn(golden_names()),
                         [](const auto& model) { return model.param; });

TEST(InitialWeights, DependOnTheSeedAndNotOnThreads) {
  const nlohmann::json config = config_of("gpt2");
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = tensors_of(initial_weights(config, 5));
  at::set_num_threads(4);
  const auto four = tensors_of(initial_weights(config, 5));
  at::set_num_threads(threads);
  const auto other = tensors_of(initial_weights(config, 6));
  for (const auto& [name, tensor] : one) {
    EXPECT_TRUE(tensor.equal(four.at(name))) << name;
    EXPECT_EQ(tensor.equal(other.at(name)), tensor.dim() == 1) << name;
  }
  // Different tensors of one shape differ.
  EXPECT_FALSE(one.at("transformer.h.0.attn.c_proj.weight")
                   .equal(one.at("transformer.h.1.attn.c_proj.weight")));
}

TEST(InitialWeights, HaveTheStdOfTheConfig) {
  nlohmann::json config = config_of("llama_mha");
  config["initializer_range"] = 0.5;
  const LoadedModel model = initial_weights(config, 0);
  expect_normal(model.weights.blocks[0].mlp.W_in.dense(), 0.5, "W_in");
}

}  // namespace
}  // namespace weir
