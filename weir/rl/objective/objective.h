#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "weir/rl/objective/advantages.h"
#include "weir/rl/objective/aggregation.h"
#include "weir/rl/objective/policy_losses.h"

namespace weir::rl {

/// What is minimised: a policy loss, an aggregation, and what is added. Each part by its table:
///
///   {"advantage": {...}, "loss": {...}, "aggregation": {...},
///    "kl": {"kind": "k3", "coef": 0.04, "bias_corrected": false},
///    "entropy": {"coef": 0, "top_share": 0},       bonus; only the tokens of most entropy are
///    trained "off_policy": {"threshold": 0}}               see penalties.h; 0: none
struct ObjectiveOptions {
  AdvantageOptions advantage;
  PolicyLossOptions loss;
  Aggregation aggregation;
  std::string kl_kind = "k3";
  double kl_coef = 0;
  /// The estimate times the ratio, gradients through both: right also off policy (DeepSeek-V3.2).
  bool kl_bias_corrected = false;
  double entropy_coef = 0;
  double top_entropy_share = 0;
  double off_policy_threshold = 0;
};
ObjectiveOptions objective_options(const nlohmann::json& settings);
/// "paper_text" and "released_script": the two that 2512.19673 and its code describe
/// (docs/methods/bottom-up-policy-optimisation.md); "grpo", "dr_grpo", "dapo", "rloo", "gspo",
/// "cispo", "reinforce_pp". kInvalidArgument for others.
nlohmann::json objective_preset(const std::string& name);

struct ObjectiveInput {
  PolicyInput policy;         ///< log_prob wants gradients.
  at::Tensor ref_log_prob;    ///< [B, T], for kl; undefined: none.
  at::Tensor entropy;         ///< [B, T], for the bonus (with gradients) and top_share.
  at::Tensor sample_weights;  ///< [B, T]: of rollouts by another policy; undefined: 1.
};
struct Objective {
  at::Tensor losses;  ///< [B, T]: of tokens, before aggregation.
  at::Tensor loss;    ///< The scalar.
  std::map<std::string, double> stats;
};
Objective objective(const ObjectiveInput& input, const ObjectiveOptions& options);

}  // namespace weir::rl
