// Advantages, losses, aggregations and penalties against verl 0.9.1 and TRL 1.16.0 (the golden
// topic `rl`), in float64 at 1e-9 of the largest value, as its README says.
#include <algorithm>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <torch/csrc/autograd/autograd.h>

#include "tests/support/golden.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/rl/objective/objective.h"
#include "weir/rl/objective/penalties.h"

namespace weir::rl {
namespace {

using nlohmann::json;

constexpr double kExact = 1e-9;

struct Golden {
  explicit Golden(const std::string& name)
      : tensors(read_all(golden_topic("rl") / (name + ".safetensors"))),
        notes(io::read_json(golden_topic("rl") / (name + ".json"))) {}
  at::Tensor at(const std::string& key) const { return tensors.at(key); }
  at::Tensor in(const std::string& key) const { return tensors.at("in." + key); }
  std::map<std::string, at::Tensor> tensors;
  json notes;
};

void expect_close(const at::Tensor& found, const at::Tensor& expected, const std::string& what,
                  double tolerance = kExact) {
  ASSERT_EQ(found.sizes(), expected.sizes()) << what;
  const double scale = std::max(1.0, expected.abs().max().item<double>());
  EXPECT_LE((found - expected).abs().max().item<double>(), tolerance * scale) << what;
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.rfind(start, 0) == 0;
}

// ---- advantages

json advantage_of_verl(const std::string& name, const json& notes) {
  static const std::map<std::string, json> outcome = {
      {"grpo_eps1e-6", {{"kind", "grpo"}}},
      {"grpo_eps1e-4", {{"kind", "grpo"}, {"eps", 1e-4}}},
      {"grpo_permuted", {{"kind", "grpo"}}},
      {"grpo_singleton_last", {{"kind", "grpo"}}},
      {"dr_grpo", {{"kind", "grpo"}, {"std", "none"}}},
      {"grpo_passk_nostd", {{"kind", "grpo_passk"}, {"std", "none"}}},
      {"gae", {{"kind", "gae"}, {"gamma", notes["gamma"]}, {"lambda", notes["lam"]}}},
      {"gae_gamma1_lam1", {{"kind", "gae"}}},
      {"reinforce_pp", {{"kind", "reinforce_pp"}, {"gamma", notes["gamma"]}}}};
  const auto found = outcome.find(name);
  return found != outcome.end() ? found->second : json{{"kind", name}};
}

TEST(GoldenRlAdvantages, OutcomeEstimatorsAreVerls) {
  const Golden golden("advantages");
  int n = 0;
  for (const std::string rewards : {"binary", "cont"}) {
    const std::string start = "verl." + rewards + ".";
    for (const auto& [key, expected] : golden.tensors) {
      if (!starts_with(key, start)) continue;
      const std::string name = key.substr(start.size());
      AdvantageInput in;
      in.mask = golden.in("mask");
      in.rewards = golden.in(rewards == "binary" ? "reward_binary" : "reward");
      in.group = golden.in("index");
      if (name == "grpo_permuted") {
        const at::Tensor order = golden.in("permutation");
        in.mask = in.mask.index_select(0, order);
        in.rewards = in.rewards.index_select(0, order);
        in.group = in.group.index_select(0, order);
      } else if (name == "grpo_singleton_last") {
        const int64_t rows = expected.size(0);
        in.mask = in.mask.slice(0, 0, rows);
        in.rewards = in.rewards.slice(0, 0, rows);
        in.group = in.group.slice(0, 0, rows);
      }
      const auto options = advantage_options(advantage_of_verl(name, golden.notes));
      expect_close(advantages(in, options).advantages, expected, key);
      ++n;
    }
  }
  EXPECT_GT(n, 0);
}

TEST(GoldenRlAdvantages, TokenEstimatorsAreVerls) {
  const Golden golden("advantages");
  int n = 0;
  for (const std::string mask : {"mask", "mask_holes"}) {
    const std::string start = "verl." + mask + ".";
    for (const auto& [key, expected] : golden.tensors) {
      if (!starts_with(key, start) || golden.tensors.count(key + ".returns") == 0) continue;
      AdvantageInput in;
      in.mask = golden.in(mask);
      in.rewards = golden.in("reward");
      in.group = golden.in("index");
      in.token_rewards = golden.at(start + "token_reward_with_kl");
      in.values = golden.in("values");
      in.greedy_reward = golden.in("greedy_reward");
      const auto options =
          advantage_options(advantage_of_verl(key.substr(start.size()), golden.notes));
      const Advantages found = advantages(in, options);
      // Outside the mask GAE holds whatever was carried along.
      expect_close(found.advantages * in.mask, expected * in.mask, key);
      expect_close(found.returns * in.mask, golden.at(key + ".returns") * in.mask, key);
      ++n;
    }
  }
  EXPECT_GT(n, 0);
}

TEST(GoldenRlAdvantages, ScalarsAreTrls) {
  const Golden golden("advantages");
  int n = 0;
  for (const auto& [key, expected] : golden.tensors) {
    if (!starts_with(key, "trl.")) continue;
    json options = {{"eps", 1e-4}, {"single_correction", true}};
    std::string rewards = "reward";
    if (starts_with(key, "trl.rloo")) {
      options["kind"] = "rloo";
      options["whiten"] = key == "trl.rloo_normalized";
      if (key == "trl.rloo_nan") rewards = "reward_nan";
      // torch.std, not TRL's own.
    } else {
      const size_t dot = key.find('.', 4);
      rewards = key.substr(4, dot - 4);
      const std::string how = key.substr(dot + 1);
      options["weights"] = golden.notes["reward_weights"];
      options["kind"] = how == "normalize_then_sum" ? how : "grpo";
      if (how != "normalize_then_sum") options["std"] = how.substr(how.find('.') + 1);
    }
    AdvantageInput in;
    in.rewards = golden.in(rewards);
    in.mask = at::ones({in.rewards.size(0), 1}, at::kDouble);
    in.group = golden.in("index");
    expect_close(advantages(in, advantage_options(options)).advantages.squeeze(1), expected, key);
    ++n;
  }
  EXPECT_GT(n, 0);
}

// ---- losses

json clip_settings(const json& of) {
  return {{"kind", "clip"}, {"low", of["clip_low"]}, {"high", of["clip_high"]}};
}

std::string with_underscores(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

json settings_of_verl(const std::string& name, const std::string& aggregation, const json& notes) {
  json loss = clip_settings(notes["defaults"]), how = {{"kind", with_underscores(aggregation)}};
  if (starts_with(name, "clip")) loss["dual"] = notes["defaults"]["dual_clip"];
  if (name == "clip_symmetric_dual10") loss = {{"kind", "clip"}, {"dual", 10}};
  if (name == "clip_global_batch") {
    const json& all = notes["verl_global_batch_info"];
    how.update({{"tokens", all["batch_num_tokens"]},
                {"rows", all["global_batch_size"]},
                {"length", all["loss_scale_factor"]},
                {"factor", all["dp_size"]}});
  }
  if (name == "gspo" || name == "cispo") loss["kind"] = name;
  if (name == "gpg") loss = {{"kind", "gpg"}};
  if (name == "sapo" || name == "geo_mean") {  // They do not listen to the aggregation.
    how = {{"kind", "seq_mean_token_mean"}};
    loss["kind"] = name;
    if (name == "sapo") {
      loss = {{"kind", "sapo"},
              {"tau_pos", notes["defaults"]["tau_pos"]},
              {"tau_neg", notes["defaults"]["tau_neg"]}};
    }
  }
  if (name == "kl_cov") loss = {{"kind", "kl_cov"}, {"cov_ratio", 0.1}, {"kl_coef", 0.7}};
  if (name == "clip_cov_all") {
    loss.erase("dual");
    loss.update({{"kind", "clip_cov"}, {"cov_ratio", 1}, {"cov_low", 0.2}, {"cov_high", 50}});
  }
  return {{"loss", loss}, {"aggregation", how}};
}

ObjectiveInput input_of(const Golden& golden, const at::Tensor& mask) {
  ObjectiveInput in;
  in.policy.log_prob = golden.in("logp").clone().requires_grad_(true);
  in.policy.old_log_prob = golden.in("old_logp");
  in.policy.mask = mask;
  in.policy.advantage = golden.in("advantage").unsqueeze(1).expand_as(mask).contiguous();
  in.ref_log_prob = golden.in("ref_logp");
  in.entropy = golden.in("entropy");
  return in;
}

void expect_objective(const ObjectiveInput& in, const json& settings, const json& expected,
                      const at::Tensor& gradient, const std::string& key) {
  const Objective found = objective(in, objective_options(settings));
  EXPECT_NEAR(found.loss.item<double>(), expected["loss"].get<double>(), kExact) << key;
  expect_close(torch::autograd::grad({found.loss}, {in.policy.log_prob})[0], gradient, key);
  const auto expect_stat = [&](const char* theirs, const char* ours) {
    if (!expected.contains(theirs) || found.stats.count(ours) == 0) return;
    EXPECT_NEAR(found.stats.at(ours), expected[theirs].get<double>(), kExact) << key << " " << ours;
  };
  if (!starts_with(key, "verl.geo_mean")) expect_stat("actor/pg_clipfrac", "clip_share");
  expect_stat("actor/pg_clipfrac_lower", "dual_clip_share");
  if (!starts_with(key, "verl.kl_cov")) expect_stat("actor/ppo_kl", "kl_old");
  expect_stat("vespo/phi_seq_mean", "phi");
  expect_stat("kl", "kl_ref");
}

TEST(GoldenRlLosses, EveryLossOfVerl) {
  const Golden golden("losses");
  int n = 0;
  for (const auto& [key, expected] : golden.notes["verl"].items()) {
    const size_t dot = key.rfind('.');
    const std::string name = key.substr(0, dot), how = key.substr(dot + 1);
    if (starts_with(name, "value_clip")) continue;  // Below.
    const bool is_empty_row = name == "clip_empty_row";
    ObjectiveInput in = input_of(golden, golden.in(is_empty_row ? "mask_empty_row" : "mask"));
    if (name == "clip_rollout_weighted") in.sample_weights = golden.in("rollout_weights_max1.01");
    expect_objective(in, settings_of_verl(name, how, golden.notes), expected,
                     golden.at("grad.verl." + key), "verl." + key);
    ++n;
  }
  EXPECT_GT(n, 0);
}

TEST(GoldenRlLosses, PartsOfABatchAddUp) {
  const Golden golden("losses");
  const json& micro = golden.notes["verl_micro_batches"];
  const int64_t split = micro["split_at"], rows = golden.in("mask").size(0);
  for (const auto& [how, losses] : micro["losses"].items()) {
    json settings = settings_of_verl("clip", how, golden.notes);
    settings["aggregation"]["tokens"] = golden.in("mask").sum().item<double>();
    settings["aggregation"]["rows"] = rows;
    for (int64_t part = 0; part < 2; ++part) {
      ObjectiveInput in = input_of(golden, golden.in("mask"));
      const auto cut = [&](const at::Tensor& of) {
        return part == 0 ? of.slice(0, 0, split) : of.slice(0, split);
      };
      in.policy = {cut(in.policy.log_prob), cut(in.policy.old_log_prob), cut(in.policy.advantage),
                   cut(in.policy.mask)};
      const Objective found = objective(in, objective_options(settings));
      EXPECT_NEAR(found.loss.item<double>(), losses[part].get<double>(), kExact) << how;
    }
  }
}

json settings_of_trl(const json& of, const json& defaults) {
  const std::string type = of["loss_type"];
  json loss = clip_settings(defaults), how = {{"kind", "token_mean"}};
  if (of.contains("epsilon_low")) loss["low"] = of["epsilon_low"];
  if (of.contains("epsilon_high")) loss["high"] = of["epsilon_high"];
  if (of.contains("delta")) loss["delta"] = of["delta"];
  if (of.contains("importance_sampling_level")) loss["level"] = of["importance_sampling_level"];
  if (type == "grpo" || type == "sapo") how = {{"kind", "seq_mean_token_mean"}};
  if (type == "dr_grpo") {
    how = {{"kind", "seq_mean_token_sum_norm"}, {"length", defaults["max_completion_length"]}};
  }
  // A row's loss times its length.
  if (type == "luspo") how = {{"kind", "seq_mean_token_sum"}};
  how["count_empty_rows"] = true;
  how["factor"] = 1 / of.value("current_gradient_accumulation_steps", 1.0);
  if (type == "cispo") {
    const double most = of["epsilon_high"];
    loss = {{"kind", "cispo"}, {"low", 1}, {"high", most - 1}};
  }
  // TRL holds the temperatures in float32.
  if (type == "sapo") loss = {{"kind", "sapo"}, {"tau_neg", double{1.05F}}};
  if (type == "vespo") loss = {{"kind", "vespo"}};
  return {{"loss", loss},
          {"aggregation", how},
          {"kl",
           {{"coef", of.value("beta", 0.0)},
            {"bias_corrected", of.value("use_bias_correction_kl", false)}}},
          {"entropy",
           {{"coef", of.value("entropy_coef", 0.0)},
            {"top_share", of.value("top_entropy_quantile", 0.0)}}},
          {"off_policy", {{"threshold", of.value("off_policy_mask_threshold", 0.0)}}}};
}

TEST(GoldenRlLosses, EveryLossOfTrl) {
  const Golden golden("losses");
  int n = 0;
  for (const auto& [key, expected] : golden.notes["trl"].items()) {
    const bool is_empty_row = key == "grpo_empty_row";
    const ObjectiveInput in = input_of(golden, golden.in(is_empty_row ? "mask_empty_row" : "mask"));
    expect_objective(in, settings_of_trl(golden.notes["settings"][key], golden.notes["defaults"]),
                     expected, golden.at("grad.trl." + key), "trl." + key);
    ++n;
  }
  EXPECT_GT(n, 0);
}

TEST(GoldenRlLosses, CriticsLoss) {
  const Golden golden("losses");
  const at::Tensor v = golden.in("vpred").clone().requires_grad_(true);
  const at::Tensor loss = aggregate(value_loss(v, golden.in("values"), golden.in("returns"), 0.5),
                                    golden.in("mask"), {});
  const std::string key = "value_clip0.5.token-mean";
  EXPECT_NEAR(loss.item<double>(), golden.notes["verl"][key]["loss"].get<double>(), kExact);
  expect_close(torch::autograd::grad({loss}, {v})[0], golden.at("grad.verl." + key), key);
}

TEST(GoldenRlAggregations, OfGivenValues) {
  const Golden golden("losses");
  for (const auto& [key, expected] : golden.notes["verl_aggregation_of_values"].items()) {
    Aggregation how;
    how.kind = with_underscores(key.substr(0, key.find('(')));
    if (key.find("(factor 11)") != std::string::npos) how.length = 11;
    const bool is_empty_row = key.find("(empty row)") != std::string::npos;
    const at::Tensor found =
        aggregate(golden.in("values"), golden.in(is_empty_row ? "mask_empty_row" : "mask"), how);
    EXPECT_NEAR(found.item<double>(), expected.get<double>(), kExact) << key;
  }
}

TEST(GoldenRlPenalties, EstimatesOfKl) {
  const Golden golden("losses");
  for (const std::string& kind : kl_kinds()) {
    const at::Tensor p = golden.in("logp").clone().requires_grad_(true);
    const at::Tensor kl = kl_estimate(kind, p, golden.in("ref_logp"));
    expect_close(kl.detach(), golden.at("kl." + kind), kind);
    const at::Tensor sum = (kl * golden.in("mask")).sum();
    expect_close(torch::autograd::grad({sum}, {p})[0], golden.at("kl." + kind + ".grad"), kind);
  }
  for (const std::string kind : {"k2", "k3"}) {
    expect_close(kl_estimate(kind, golden.in("logp"), golden.in("far_ref_logp")),
                 golden.at("kl." + kind + ".far"), kind + " far");
  }
}

TEST(GoldenRlPenalties, LengthsAndRepetitions) {
  const Golden golden("losses");
  const json& overlong = golden.notes["soft_overlong"];
  for (size_t i = 0; i < overlong["lengths"].size(); ++i) {
    EXPECT_NEAR(overlong_penalty(overlong["lengths"][i], overlong["max"], overlong["cache"],
                                 overlong["penalty"]),
                overlong["rewards"][i].get<double>(), kExact);
  }
  for (const json& of : golden.notes["repetition_penalty"]) {
    for (size_t i = 0; i < of["ids"].size(); ++i) {
      EXPECT_NEAR(repetition_penalty(of["ids"][i].get<std::vector<int64_t>>(), of["ngram"], -0.8),
                  of["rewards"][i].get<double>(), kExact);
    }
  }
}

}  // namespace
}  // namespace weir::rl
