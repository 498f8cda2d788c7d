#include "weir/rl/objective/objective.h"

#include <algorithm>
#include <map>
#include <vector>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/rl/objective/penalties.h"
#include "weir/rl/objective/settings.h"

namespace weir::rl {
namespace {

using nlohmann::json;

json part(const json& of, const char* key) {
  const auto found = of.find(key);
  return found == of.end() ? json() : *found;
}

}  // namespace

ObjectiveOptions objective_options(const json& settings) {
  require(settings.is_object(), "objective: expected a table of settings");
  for (const auto& [key, value] : settings.items()) {
    static const std::vector<std::string> known = {"advantage", "loss",    "aggregation",
                                                   "kl",        "entropy", "off_policy"};
    require(
        std::find(known.begin(), known.end(), key) != known.end(),
        "objective: no part '{}'; expected advantage, loss, aggregation, kl, entropy, off_policy",
        key);
  }
  ObjectiveOptions options;
  options.advantage = advantage_options(part(settings, "advantage"));
  options.loss = policy_loss_options(part(settings, "loss"));
  options.aggregation = aggregation_of(part(settings, "aggregation"));
  const json of_kl = part(settings, "kl"), of_entropy = part(settings, "entropy"),
             of_off_policy = part(settings, "off_policy");
  Settings kl(of_kl, "kl");
  options.kl_kind = kl.choice("kind", options.kl_kind, kl_kinds());
  options.kl_coef = kl.number("coef", 0, 0);
  options.kl_bias_corrected = kl.flag("bias_corrected", false);
  kl.finish();
  Settings entropy(of_entropy, "entropy");
  options.entropy_coef = entropy.number("coef", 0);
  options.top_entropy_share = entropy.number("top_share", 0, 0);
  entropy.finish();
  Settings off_policy(of_off_policy, "off_policy");
  options.off_policy_threshold = off_policy.number("threshold", 0, 0);
  off_policy.finish();
  return options;
}

json objective_preset(const std::string& name) {
  static const std::map<std::string, json> presets = {
      {"paper_text",
       {{"advantage", {{"kind", "grpo"}}},
        {"loss", {{"kind", "clip"}}},
        {"aggregation", {{"kind", "seq_mean_token_mean"}}}}},
      {"released_script",
       {{"advantage", {{"kind", "grpo"}}},
        {"loss", {{"kind", "clip"}, {"dual", 10.0}}},
        {"aggregation", {{"kind", "token_mean"}}}}},
      {"grpo",
       {{"advantage", {{"kind", "grpo"}}}, {"aggregation", {{"kind", "seq_mean_token_mean"}}}}},
      {"dr_grpo",
       {{"advantage", {{"kind", "grpo"}, {"std", "none"}}},
        {"aggregation", {{"kind", "seq_mean_token_sum_norm"}}}}},
      {"dapo", {{"advantage", {{"kind", "grpo"}}}, {"loss", {{"kind", "clip"}, {"high", 0.28}}}}},
      {"rloo", {{"advantage", {{"kind", "rloo"}}}}},
      {"gspo",
       {{"advantage", {{"kind", "grpo"}}},
        {"loss", {{"kind", "gspo"}, {"low", 3e-4}, {"high", 4e-4}}},
        {"aggregation", {{"kind", "seq_mean_token_mean"}}}}},
      {"cispo",
       {{"advantage", {{"kind", "grpo"}}},
        {"loss", {{"kind", "cispo"}, {"low", 1.0}, {"high", 4.0}}}}},
      {"reinforce_pp", {{"advantage", {{"kind", "reinforce_pp"}}}}}};
  const auto found = presets.find(name);
  require(found != presets.end(),
          "objective: no preset '{}'; expected paper_text, released_script, grpo, dr_grpo, dapo, "
          "rloo, gspo, cispo or reinforce_pp",
          name);
  return found->second;
}

Objective objective(const ObjectiveInput& input, const ObjectiveOptions& options) {
  const PolicyInput& policy = input.policy;
  PolicyLoss loss = policy_loss(policy, options.loss);
  Objective result{loss.losses, {}, std::move(loss.stats)};
  const at::Tensor& mask = policy.mask;
  if (options.off_policy_threshold > 0) {
    result.losses =
        result.losses * off_policy_mask(policy.log_prob, policy.old_log_prob, policy.advantage,
                                        mask, options.off_policy_threshold);
  }
  if (options.top_entropy_share > 0) {
    require(input.entropy.defined(), "objective: entropy.top_share needs entropies");
    result.losses =
        result.losses * top_entropy_mask(input.entropy, mask, options.top_entropy_share);
  }
  if (input.sample_weights.defined()) result.losses = result.losses * input.sample_weights;
  if (options.kl_coef > 0) {
    require(input.ref_log_prob.defined(),
            "objective: kl.coef needs a reference's log-probabilities");
    at::Tensor kl = kl_estimate(options.kl_kind, policy.log_prob, input.ref_log_prob);
    if (options.kl_bias_corrected) kl = kl * (policy.log_prob - policy.old_log_prob).exp();
    result.stats["kl_ref"] = masked_mean(kl.detach(), mask).item<double>();
    result.losses = result.losses + options.kl_coef * kl;
  }
  if (options.entropy_coef != 0) {
    require(input.entropy.defined(), "objective: entropy.coef needs entropies");
    result.losses = result.losses - options.entropy_coef * input.entropy;
  }
  result.loss = aggregate(result.losses, mask, options.aggregation);
  return result;
}

}  // namespace weir::rl
