// Optimisers and bounds of gradients against torch.optim and torch.nn.utils, in float64 and, for
// the one pass over float32 memory, in float32.
#include <cmath>
#include <limits>
#include <memory>
#include <regex>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/train/adam.h"
#include "weir/train/clip.h"

namespace weir {
namespace {

using Tensors = std::map<std::string, at::Tensor>;

// The reference is float64 arithmetic of the same formulas (README).
constexpr double kExact = 1e-12;
// Float32: six updates of size 0.03 on values near 1, each rounded a few times at 6e-8.
constexpr double kSingle = 2e-6;

nlohmann::json options() { return io::read_json(golden_topic("train") / "optimisers.json"); }
Tensors tensors() { return read_all(golden_topic("train") / "optimisers.safetensors"); }

bool starts_with(const std::string& name, const std::string& start) {
  return name.rfind(start, 0) == 0;
}

std::vector<std::string> cases(const std::string& start) {
  std::vector<std::string> names;
  if (golden_files("train", ".json").empty()) return names;
  const nlohmann::json all = options();
  for (const auto& [name, value] : all.items()) {
    if (starts_with(name, start) && name != "adamw_zero_gradient_vs_none") {
      names.push_back(name);
    }
  }
  return names;
}

std::vector<std::string> optimizers() {
  std::vector<std::string> names;
  for (const char* start : {"adam", "sgd", "rmsprop"}) {
    for (const std::string& name : cases(start)) names.push_back(name);
  }
  return names;
}

std::unique_ptr<Optimizer> make(const std::string& name, const nlohmann::json& given,
                                std::vector<at::Tensor> parameters) {
  const double decay = given.value("weight_decay", 0.0);
  if (name.rfind("sgd", 0) == 0) {
    return std::make_unique<Sgd>(
        std::move(parameters),
        SgdOptions{given.value("momentum", 0.0), given.value("nesterov", false), decay,
                   given.value("dampening", 0.0), false});
  }
  if (name.rfind("rmsprop", 0) == 0) {
    return std::make_unique<RmsProp>(std::move(parameters),
                                     RmsPropOptions{given.value("alpha", 0.99), 1e-8, decay});
  }
  AdamOptions adam;
  if (given.contains("betas")) {
    adam.beta1 = given["betas"][0];
    adam.beta2 = given["betas"][1];
  }
  adam.eps = given.value("eps", adam.eps);
  adam.weight_decay = decay;
  adam.decoupled = name.rfind("adamw", 0) == 0;
  adam.amsgrad = given.value("amsgrad", false);
  adam.maximize = given.value("maximize", false);
  return std::make_unique<Adam>(std::move(parameters), adam);
}

class GoldenTrainOptimizers : public testing::TestWithParam<std::string> {
 protected:
  const at::Tensor& at_step(const Tensors& expected, int64_t step, const std::string& name) {
    return expected.at(fmt::format("{}.step{}.{}", GetParam(), step, name));
  }

  // Runs the case over parameters that `place` laid out, and compares after each update. Files of
  // torch 2.15 hold the last step's values under every step (they were saved without a copy): those
  // entries say nothing of their own step.
  void run(at::ScalarType dtype, double tolerance,
           const std::function<at::Tensor(const at::Tensor&)>& place) {
    const nlohmann::json all = options();
    const Tensors expected = tensors();
    const std::vector<int64_t> skipped = all["skipped_has_no_gradient_in_steps"];
    std::vector<std::string> names;
    std::vector<at::Tensor> parameters;
    for (const auto& [name, tensor] : expected) {
      if (name.rfind("init.", 0) != 0) continue;
      names.push_back(name.substr(5));
      parameters.push_back(place(tensor.to(dtype)));
    }
    const auto n_steps = all["steps"].get<int64_t>();
    const auto optimizer = make(GetParam(), all[GetParam()], parameters);
    for (int64_t step = 1; step <= n_steps; ++step) {
      std::vector<at::Tensor> gradients;
      for (const std::string& name : names) {
        const bool none = name == "skipped" && std::count(skipped.begin(), skipped.end(), step) > 0;
        const std::string key = fmt::format("grad.{}.{}", step - 1, name);
        gradients.push_back(none ? at::Tensor() : expected.at(key).to(dtype));
      }
      optimizer->step(gradients, all[GetParam()]["lr"]);
      for (size_t i = 0; i < names.size(); ++i) {
        const at::Tensor& wanted = at_step(expected, step, names[i]);
        if (step < n_steps && wanted.equal(at_step(expected, n_steps, names[i]))) continue;
        ASSERT_LT(max_difference(parameters[i], wanted), tolerance) << names[i] << " " << step;
      }
    }
  }
};

TEST_P(GoldenTrainOptimizers, TakeTheSameSteps) {
  run(at::kDouble, kExact, [](const at::Tensor& x) { return x.clone(); });
}

TEST_P(GoldenTrainOptimizers, TakeThemInFloat32) {
  run(at::kFloat, kSingle, [](const at::Tensor& x) { return x.clone(); });
}

// As projections lie in a fused tensor: rows apart from each other, or transposed.
TEST_P(GoldenTrainOptimizers, TakeThemInPartsOfATensor) {
  run(at::kFloat, kSingle, [](const at::Tensor& x) {
    const int64_t rows = x.size(0);
    const at::Tensor whole = at::zeros({rows, x.numel() / rows + 3});
    at::Tensor part = whole.slice(1, 2, 2 + x.numel() / rows);
    if (x.dim() == 1) part = part.squeeze(1);
    return part.copy_(x);
  });
  run(at::kFloat, kSingle,
      [](const at::Tensor& x) { return x.dim() == 2 ? x.t().contiguous().t() : x.clone(); });
}

TEST(GoldenTrainOptimizer, DecaysAZeroGradientAndLeavesAMissingOne) {
  const nlohmann::json of = options()["adamw_zero_gradient_vs_none"];
  const at::Tensor zero = at::full({2}, of["start"].get<double>(), at::kDouble);
  const at::Tensor none = zero.clone();
  AdamOptions adam;
  adam.decoupled = true;
  adam.weight_decay = of["weight_decay"];
  Adam({zero, none}, adam).step({at::zeros_like(zero), at::Tensor()}, of["lr"]);
  EXPECT_NEAR(zero[0].item<double>(), of["zero"].get<double>(), kExact);
  EXPECT_NEAR(none[0].item<double>(), of["none"].get<double>(), kExact);
}

TEST(GoldenTrainClip, NormsAndValuesAreThoseOfTorch) {
  const nlohmann::json all = options();
  const Tensors expected = tensors();
  int n_cases = 0;
  for (const auto& [name, of] : all.items()) {
    std::smatch parts;
    if (!std::regex_match(name, parts, std::regex("clip\\.norm(.+)\\.max(.+)"))) continue;
    ++n_cases;
    for (const auto dtype : {at::kDouble, at::kFloat}) {
      std::vector<at::Tensor> gradients = {expected.at("grad.0.w").to(dtype).clone(),
                                           expected.at("grad.0.b").to(dtype).clone(), at::Tensor()};
      const double norm = clip_gradients(gradients, std::stod(parts[2]), std::stod(parts[1]));
      const double tolerance = dtype == at::kDouble ? kExact : 1e-6;
      EXPECT_NEAR(norm, of["total"].get<double>(), 10 * tolerance) << name;
      EXPECT_LT(max_difference(gradients[0], expected.at(name + ".w")), tolerance) << name;
    }
  }
  EXPECT_GT(n_cases, 0);
  for (const auto& [name, wanted] : expected) {
    std::smatch parts;
    if (!std::regex_match(name, parts, std::regex("clip\\.value(.+)\\.w"))) continue;
    const at::Tensor gradient = expected.at("grad.0.w").clone();
    clip_gradient_values({gradient}, std::stod(parts[1]));
    EXPECT_TRUE(gradient.equal(wanted)) << name;
  }
}

TEST(GoldenTrainFolder, HasOptimizers) {
  EXPECT_FALSE(optimizers().empty()) << golden_topic("train");
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainOptimizers);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainOptimizers, testing::ValuesIn(optimizers()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
