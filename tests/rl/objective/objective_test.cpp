// What must hold without any reference: specs' known answers, refusals.
#include "weir/rl/objective/objective.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/refusal.h"
#include "weir/rl/objective/penalties.h"

namespace weir::rl {
namespace {

using nlohmann::json;

at::Tensor row(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

std::vector<double> of_group(const std::vector<double>& rewards, const json& options) {
  AdvantageInput in;
  in.rewards = row(rewards);
  in.mask = at::ones({in.rewards.size(0), 1}, at::kDouble);
  in.group = at::zeros({in.rewards.size(0)}, at::kLong);
  const at::Tensor found = advantages(in, advantage_options(options)).advantages.contiguous();
  return {found.data_ptr<double>(), found.data_ptr<double>() + found.numel()};
}

TEST(Advantages, KnownAnswers) {
  EXPECT_NEAR(of_group({1, 0, 0, 0}, {{"kind", "grpo"}})[0], 1.5, 1e-5);
  EXPECT_NEAR(of_group({1, 0, 0, 0}, {{"kind", "grpo"}})[3], -0.5, 1e-5);
  EXPECT_NEAR(of_group({1, 0, 0, 0}, {{"kind", "rloo"}})[0], 1, 1e-12);
  EXPECT_NEAR(of_group({1, 0, 0, 0}, {{"kind", "rloo"}})[1], -1.0 / 3, 1e-12);
  EXPECT_NEAR(of_group({1, 1, 0, 0, 0, 0, 0, 0}, {{"kind", "grpo"}})[0], 1.6202, 1e-4);
  for (const double of : of_group({1, 1, 1}, {{"kind", "grpo"}})) EXPECT_EQ(of, 0);
}

TEST(Advantages, GroupsOfOneAreRefused) {
  AdvantageInput in;
  in.rewards = row({1, 0});
  in.mask = at::ones({2, 3}, at::kDouble);
  in.group = at::arange(2, at::kLong);
  EXPECT_NE(testing::refusal([&] { advantages(in, {}); }).find("several of a prompt"),
            std::string::npos);
}

TEST(Advantages, GroupsThatTeachNothingAreCounted) {
  const at::Tensor rewards = row({1, 1, 0, 1, 0, 0}),
                   group = at::tensor({0, 0, 1, 1, 2, 2}, at::kLong);
  EXPECT_NEAR(share_without_variance(rewards, group), 2.0 / 3, 1e-12);
  EXPECT_EQ(rows_with_variance(rewards, group), (std::vector<int64_t>{2, 3}));
}

double clip_loss(double ratio, double advantage, const json& more = json::object()) {
  json settings = {{"kind", "clip"}};
  settings.update(more);
  const at::Tensor old = at::zeros({1, 1}, at::kDouble);
  const PolicyInput in{old + std::log(ratio), old, old + advantage, old + 1};
  return policy_loss(in, policy_loss_options(settings)).losses.item<double>();
}

TEST(PolicyLoss, KnownAnswers) {
  EXPECT_NEAR(clip_loss(1.5, 1), -1.2, 1e-12);
  EXPECT_NEAR(clip_loss(0.5, 1), -0.5, 1e-12);
  EXPECT_NEAR(clip_loss(1.5, -1), 1.5, 1e-12);
  EXPECT_NEAR(clip_loss(0.5, -1), 0.8, 1e-12);
  EXPECT_NEAR(clip_loss(5, -1, {{"dual", 3}}), 3, 1e-12);
}

TEST(Kl, KnownAnswers) {
  const at::Tensor p = row({-1}), ref = row({-1.5});
  EXPECT_NEAR(kl_estimate("k1", p, ref).item<double>(), 0.5, 1e-12);
  EXPECT_NEAR(kl_estimate("k2", p, ref).item<double>(), 0.125, 1e-12);
  EXPECT_NEAR(kl_estimate("k3", p, ref).item<double>(), 0.10653, 1e-5);
}

// On policy, the expected gradient of k1 as a loss is 0 and that of k2 is the gradient of the KL.
TEST(Kl, ExpectedGradients) {
  const at::Tensor logits = row({0.3, -1, 0.8}).requires_grad_(true);
  const at::Tensor ref = row({-0.2, 0.4, 0.1}).log_softmax(0);
  const at::Tensor log_p = logits.log_softmax(0), p = log_p.exp();
  const at::Tensor kl = (p * (log_p - ref)).sum();
  const at::Tensor exact = torch::autograd::grad({kl}, {logits}, {}, true)[0];
  const auto expected_gradient = [&](const std::string& kind) {
    const at::Tensor sum = (p.detach() * kl_estimate(kind, log_p, ref)).sum();
    return torch::autograd::grad({sum}, {logits}, {}, true)[0];
  };
  EXPECT_LT(expected_gradient("k1").abs().max().item<double>(), 1e-12);
  EXPECT_LT((expected_gradient("k2") - exact).abs().max().item<double>(), 1e-12);
  EXPECT_LT((expected_gradient("k3+") - exact).abs().max().item<double>(), 1e-12);
  EXPECT_GT((expected_gradient("k3") - exact).abs().max().item<double>(), 1e-3);
}

TEST(Objective, PresetsAreReadable) {
  for (const char* name : {"paper_text", "released_script", "grpo", "dr_grpo", "dapo", "rloo",
                           "gspo", "cispo", "reinforce_pp"}) {
    EXPECT_NO_THROW(objective_options(objective_preset(name))) << name;
  }
  EXPECT_EQ(objective_options(objective_preset("released_script")).loss.dual, 10);
  EXPECT_EQ(objective_options(objective_preset("paper_text")).loss.dual, 0);
}

TEST(Objective, WhatIsNotKnownIsRefused) {
  const auto refuses = [](const json& settings, const std::string& part) {
    const std::string said = testing::refusal([&] { objective_options(settings); });
    EXPECT_NE(said.find(part), std::string::npos) << said;
  };
  refuses({{"los", {}}}, "no part 'los'");
  refuses({{"loss", {{"kind", "ppo"}}}}, "loss.kind: expected");
  refuses({{"loss", {{"hihg", 1}}}}, "no setting 'hihg'");
  refuses({{"aggregation", {{"kind", "mean"}}}}, "aggregation.kind: expected");
}

}  // namespace
}  // namespace weir::rl
