// Internal policies as what is trained: log-probabilities, entropies, losses and the gradient of
// every weight against transformers and verl (topic `rl`, internal_*), for every model and layer.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/model/hugging_face_values.h"
#include "weir/model/own.h"
#include "weir/rl/objective/objective.h"
#include "weir/rl/policy.h"
#include "weir/train/clip.h"

namespace weir::rl {
namespace {

using nlohmann::json;

// float64 here and there, but the reference's RoPE tables are float32, which changes its streams by
// 1e-6 of their size (README): so much of the largest score, since logits without a norm are large.
constexpr double kScore = 1e-6;
// Of the largest entry: a ratio's gradient multiplies that by the scores' own size.
constexpr double kGradient = 1e-5;

std::vector<std::string> models() {
  std::vector<std::string> names;
  for (const std::string& file : golden_files("rl", ".safetensors")) {
    if (file.rfind("internal_", 0) == 0) names.push_back(file.substr(9));
  }
  return names;
}

std::filesystem::path model_folder(const std::string& name) {
  const auto here = golden_topic("rl") / "models" / name;
  return std::filesystem::exists(here) ? here : golden_topic("models") / name;
}

class GoldenRlPolicy : public testing::TestWithParam<std::string> {
 protected:
  GoldenRlPolicy()
      : golden_(read_all(golden_topic("rl") / ("internal_" + GetParam() + ".safetensors"))),
        notes_(io::read_json(golden_topic("rl") / ("internal_" + GetParam() + ".json"))),
        model_(own(load_model(model_folder(GetParam())), at::kDouble)),
        parameters_(trainable(model_, {"*"})),
        transformer_(model_.config, model_.weights, at::kDouble) {
    for (const Parameter& parameter : parameters_) leaves_.push_back(parameter.held());
    batch_.tokens = golden_.at("in.ids").to(at::kLong);
    mask_ = golden_.at("in.response_mask");
  }
  int64_t n_layers() const { return notes_["layers"]; }
  PolicyScores scores(const PolicySpec& spec, const at::Tensor& mask) const {
    return policy_scores(transformer_, model_.weights, batch_, mask, spec);
  }
  static void expect_scores(const at::Tensor& found, const at::Tensor& expected,
                            const std::string& what) {
    EXPECT_LT(max_difference(found, expected),
              kScore * std::max(1.0, expected.abs().max().item<double>()))
        << what;
  }
  at::Tensor everywhere() const { return at::ones_like(mask_); }

  /// The clipped loss of the golden, dual clip 10.
  Objective loss(const PolicyScores& scores, const std::string& old, const std::string& how) const {
    ObjectiveInput in;
    in.policy.log_prob = scores.log_prob;
    in.policy.old_log_prob = golden_.at("in.old_logp." + old) * mask_;
    in.policy.mask = mask_;
    in.policy.advantage = golden_.at("in.advantage").unsqueeze(1).expand_as(mask_).contiguous();
    std::string kind = how;
    std::replace(kind.begin(), kind.end(), '-', '_');
    return objective(in, objective_options({{"loss", {{"kind", "clip"}, {"dual", 10}}},
                                            {"aggregation", {{"kind", kind}}}}));
  }
  std::vector<at::Tensor> gradients(const at::Tensor& of) const {
    return torch::autograd::grad({of}, leaves_, {}, true, false, true);
  }
  void expect_gradients(const std::vector<at::Tensor>& found, const std::string& prefix,
                        const std::vector<std::string>& none) const {
    const auto by_name = under_hugging_face_names(model_, parameters_, found);
    for (const std::string& name : none) EXPECT_EQ(by_name.count(name), 0U) << prefix << name;
    size_t n = 0;
    for (const auto& [name, tensor] : by_name) {
      ASSERT_EQ(golden_.count(prefix + name), 1U) << prefix << name;
      const at::Tensor& expected = golden_.at(prefix + name);
      EXPECT_LE(max_difference(tensor, expected.to(at::kDouble)),
                kGradient * expected.abs().max().item<double>() + 1e-12)
          << prefix << name;
      ++n;
    }
    EXPECT_GT(n, 0U);
  }

  std::map<std::string, at::Tensor> golden_;
  json notes_;
  LoadedModel model_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> leaves_;
  Transformer transformer_;
  TokenBatch batch_;
  at::Tensor mask_;
};

TEST_P(GoldenRlPolicy, ScoresOfEveryLayerAndNorm) {
  int n = 0;
  for (int64_t layer = 1; layer <= n_layers(); ++layer) {
    for (const char* norm : {"none", "final_norm", "unit_rms"}) {
      for (const auto& [temperature, text] : {std::pair{1.0, "1.0"}, {0.7, "0.7"}}) {
        const std::string key = fmt::format("l{}.{}.T{}", layer, norm, text);
        const auto found =
            scores(policy_spec("layer", layer, norm, temperature, n_layers()), everywhere());
        expect_scores(found.log_prob, golden_.at("logp." + key), key);
        expect_scores(found.entropy, golden_.at("entropy." + key), key);
        ++n;
      }
    }
  }
  EXPECT_GT(n, 0);
  const auto full = scores({}, everywhere());
  expect_scores(full.log_prob, golden_.at("logp.full"), "full");
  expect_scores(full.entropy, golden_.at("entropy.full"), "full");
}

TEST_P(GoldenRlPolicy, ModulesAsThePoliciesTheyAre) {
  for (int64_t layer = 1; layer <= n_layers(); ++layer) {
    for (const auto& [source, key] : {std::pair{"attention", "H_attn"}, {"mlp", "H_ffn"}}) {
      const auto found = scores(policy_spec(source, layer, "none", 1, n_layers()), everywhere());
      const at::Tensor expected =
          golden_.at(std::string("dynamics.") + key)[layer - 1].slice(1, 0, -1);
      expect_scores(found.entropy, expected, source + std::to_string(layer));
    }
  }
}

TEST_P(GoldenRlPolicy, LossesAndGradientsOfEveryLayer) {
  for (const auto& [key, expected] : notes_["loss"].items()) {
    if (key.rfind("full", 0) == 0) continue;
    const size_t a = key.find('.'), b = key.find(".T"), c = key.rfind('.');
    const int64_t layer = std::stoll(key.substr(1, a - 1));
    const std::string norm = key.substr(a + 1, b - a - 1), how = key.substr(c + 1);
    const double temperature = std::stod(key.substr(b + 2, c - b - 2));
    const auto found = scores(policy_spec("layer", layer, norm, temperature, n_layers()), mask_);
    const Objective of = loss(found, key, how);
    EXPECT_NEAR(of.loss.item<double>(), expected["loss"].get<double>(), kScore) << key;
    const auto gradient = gradients(of.loss);
    EXPECT_NEAR(gradient_norm(gradient) / notes_["grad_norm"][key].get<double>(), 1, kGradient)
        << key;
    const auto none = notes_["no_grad"][key].get<std::vector<std::string>>();
    if (norm == "none" && temperature == 1) {
      expect_gradients(gradient, fmt::format("grad.l{}.", layer), none);
      continue;
    }
    const auto by_name = under_hugging_face_names(model_, parameters_, gradient);
    for (const std::string& name : none) EXPECT_EQ(by_name.count(name), 0U) << key << name;
  }
}

TEST_P(GoldenRlPolicy, GradientsOfTheFullPolicy) {
  const Objective of = loss(scores({}, mask_), "full", "token-mean");
  EXPECT_NEAR(of.loss.item<double>(), notes_["loss"]["full.T1.0.token-mean"]["loss"].get<double>(),
              kScore);
  expect_gradients(gradients(of.loss), "grad.full.", {});
}

// What is above the layer has no gradient at all, whichever it is; and stopping there changes none
// of those below.
TEST_P(GoldenRlPolicy, LayersAboveAreNotInTheGraph) {
  for (int64_t layer = 1; layer <= n_layers(); ++layer) {
    const auto found = scores(policy_spec("layer", layer, "none", 1, n_layers()), mask_);
    const auto gradient = gradients(found.log_prob.sum() + found.entropy.sum());
    for (size_t i = 0; i < parameters_.size(); ++i) {
      const std::string& name = parameters_[i].name;
      const bool is_block = name.rfind("blocks.", 0) == 0;
      const bool is_above =
          is_block ? std::stoll(name.substr(7)) >= layer : name.rfind("ln_final", 0) == 0;
      EXPECT_EQ(gradient[i].defined(), !is_above) << name << " layer " << layer;
    }
  }
}

TEST_P(GoldenRlPolicy, TokensThatDoNotCountAreNought) {
  const auto all = scores({}, everywhere()), some = scores({}, mask_);
  EXPECT_LT(max_difference(some.log_prob, all.log_prob * mask_), 1e-12);
  EXPECT_LT(max_difference(some.entropy, all.entropy * mask_), 1e-12);
}

TEST(GoldenRlPolicyFolder, HasCases) { EXPECT_FALSE(models().empty()) << golden_topic("rl"); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRlPolicy);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRlPolicy, testing::ValuesIn(models()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::rl
