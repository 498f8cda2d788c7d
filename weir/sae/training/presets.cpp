#include "weir/sae/training/presets.h"

#include <cmath>
#include <functional>
#include <map>

#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir {
namespace {

using Plan = SaeTrainingPlan;
using Project = DecoderSettings::Project;

void adam(Plan& plan, double beta1, double beta2, double clip) {
  plan.settings.optimizer.beta1 = beta1;
  plan.settings.optimizer.beta2 = beta2;
  plan.settings.optimizer.clip = clip;
}

void l1(Plan& plan, SparsityWeight weight) {
  plan.settings.sparsity.kind = SparsityKind::kNorm;
  plan.settings.sparsity.weight = weight;
}

// dictionary_learning's ConstrainedAdam.
void constrained(Plan& plan, Project project) {
  plan.settings.decoder.project = project;
  plan.settings.decoder.constraint = DecoderConstraint::kUnitAfterUpdate;
}

void dl_standard(Plan& plan) {
  l1(plan, SparsityWeight::kOne);
  constrained(plan, Project::kAfterClip);
}

void dl_april(Plan& plan) {
  l1(plan, SparsityWeight::kDecoderNorm);
  adam(plan, 0.9, 0.999, 1);
}

void dl_april_new(Plan& plan) {
  dl_april(plan);
  plan.config.apply_b_dec_to_input = false;
  plan.settings.sparsity.weight = SparsityWeight::kSquaredDecoderNorm;
}

void dl_topk(Plan& plan) {
  plan.config.kind = "topk";
  constrained(plan, Project::kBeforeClip);
  adam(plan, 0.9, 0.999, 1);
  plan.settings.auxk.coefficient = 1.0 / 32;
  plan.settings.dead.fired = DeadSettings::Fired::kSelected;
  plan.settings.bias_start = BiasStart::kGeometricMedian;
}

void dl_batchtopk(Plan& plan) {
  dl_topk(plan);
  plan.config.kind = "batchtopk";
  plan.settings.dead.fired = DeadSettings::Fired::kNonZero;
}

void dl_matryoshka(Plan& plan) {
  dl_batchtopk(plan);
  plan.config.kind = "matryoshka_batchtopk";
  plan.settings.mean_of_levels = true;
}

void dl_gated(Plan& plan) {
  dl_standard(plan);
  plan.config.kind = "gated";
  adam(plan, 0, 0.999, 0);
}

void dl_jumprelu(Plan& plan) {
  plan.config.kind = "jumprelu";
  plan.config.apply_b_dec_to_input = false;
  plan.settings.sparsity.kind = SparsityKind::kL0Relative;
  plan.settings.jump_relu.bandwidth = 0.001;
  constrained(plan, Project::kBeforeClip);
  adam(plan, 0, 0.999, 1);
}

void dl_p_anneal(Plan& plan) {
  dl_standard(plan);
  plan.settings.sparsity.kind = SparsityKind::kPowers;
  plan.settings.anneal.start = 0;
}

void dl_gated_anneal(Plan& plan) {
  dl_gated(plan);
  plan.settings.sparsity.kind = SparsityKind::kPowers;
  plan.settings.anneal.start = 0;
}

void saelens(Plan& plan) {
  adam(plan, 0.9, 0.999, 1);
  plan.settings.dead = {DeadSettings::Count::kPasses, 1000, true, false,
                        DeadSettings::Fired::kNonZero};
}

void sl_standard(Plan& plan) {
  saelens(plan);
  l1(plan, SparsityWeight::kDecoderNorm);
}

void sl_gated(Plan& plan) {
  sl_standard(plan);
  plan.config.kind = "gated";
  plan.settings.gate.detached_decoder = false;
}

void sl_jumprelu(Plan& plan) {
  saelens(plan);
  plan.config.kind = "jumprelu";
  plan.settings.sparsity.kind = SparsityKind::kL0;
  plan.settings.sparsity.weight = SparsityWeight::kDecoderNorm;
}

void sl_topk(Plan& plan) {
  saelens(plan);
  plan.config.kind = "topk";
  plan.config.rescale_acts_by_decoder_norm = true;
  AuxKSettings& auxk = plan.settings.auxk;
  auxk.coefficient = 1;
  auxk.offer = AuxKSettings::Offer::kPre;
  auxk.per = AuxKSettings::Per::kNothing;
  auxk.scaled_by_dead = true;
}

void sl_abstopk(Plan& plan) {
  sl_topk(plan);
  plan.config.kind = "abstopk";
  plan.settings.auxk.offer = AuxKSettings::Offer::kSize;
}

void sl_batchtopk(Plan& plan) {
  sl_topk(plan);
  plan.config.kind = "batchtopk";
  plan.settings.threshold = {0.01, 0, true};
}

void sl_matryoshka(Plan& plan) {
  sl_batchtopk(plan);
  plan.config.kind = "matryoshka_batchtopk";
}

void sp_topk(Plan& plan) {
  plan.config.kind = "topk";
  SaeTrainingSettings& s = plan.settings;
  s.reconstruction = Reconstruction::kVarianceShare;
  s.passes_zeros = true;
  s.decoder.constraint = DecoderConstraint::kUnitBeforeForward;
  s.decoder.project = Project::kBeforeClip;
  s.auxk.per = AuxKSettings::Per::kTotalVariance;
  s.auxk.scaled_by_dead = true;
  s.auxk.trains_encoder = false;
  s.dead = {DeadSettings::Count::kTokens, 1e7, true, false, DeadSettings::Fired::kSelected};
}

void sp_groupmax(Plan& plan) {
  sp_topk(plan);
  plan.config.kind = "groupmax";
}

void sp_transcoder(Plan& plan) {
  sp_topk(plan);
  plan.config.apply_b_dec_to_input = false;
  plan.settings.decoder = {};
}

void openai(Plan& plan) {
  plan.config.kind = "topk";
  SaeTrainingSettings& s = plan.settings;
  s.reconstruction = Reconstruction::kMean;
  s.auxk.coefficient = 1.0 / 32;
  s.auxk.k = 256;
  s.auxk.bias = AuxKSettings::Bias::kBoth;
  s.dead = {DeadSettings::Count::kPassesFromOne, 1e7 / 131072, true, true,
            DeadSettings::Fired::kAboveThousandth};
  s.decoder.constraint = DecoderConstraint::kUnitBeforeUpdate;
  s.decoder.project = Project::kBeforeClip;
  s.optimizer.eps = 6.25e-10;
}

void attention_sae(Plan& plan) {
  l1(plan, SparsityWeight::kOne);
  plan.settings.decoder.constraint = DecoderConstraint::kUnitBeforeUpdate;
  plan.settings.decoder.project = Project::kBeforeClip;
  adam(plan, 0, 0.9999, 0);
}

// As released: no noise unless a variance is learned.
void vsae(Plan& plan) {
  plan.config.apply_b_dec_to_input = false;
  plan.config.variational.relu_mu = false;
  plan.settings.variational.samples = true;
  plan.settings.kl.coefficient = 500;
  adam(plan, 0.9, 0.999, 1);
}

void vsae_auxk(Plan& plan) {
  AuxKSettings& auxk = plan.settings.auxk;
  auxk.coefficient = 1.0 / 32;
  auxk.offer = AuxKSettings::Offer::kSize;
  auxk.bias = AuxKSettings::Bias::kReconstruction;
  auxk.eps = 1e-8;
}

void vsae_topk(Plan& plan) {
  vsae(plan);
  vsae_auxk(plan);
  plan.config.kind = "vsae_topk";
  plan.config.variational.relu_mu = true;
  plan.settings.dead.fired = DeadSettings::Fired::kPositiveSum;
}

// use_april_update_mode false: a bias before and after, rows of norm 1.
void vsae_topk_bias(Plan& plan) {
  vsae_topk(plan);
  plan.config.apply_b_dec_to_input = true;
  plan.settings.auxk.bias = AuxKSettings::Bias::kNone;
  plan.settings.decoder.constraint = DecoderConstraint::kUnitAfterUpdate;
  plan.settings.bias_start = BiasStart::kGeometricMedian;
}

void vsae_masked_kl(Plan& plan) {
  vsae_topk(plan);
  plan.config.variational.relu_mu = false;
  plan.settings.kl.selected_only = true;
  plan.settings.optimizer.clip = 0;
}

void vsae_iso(Plan& plan) {
  vsae(plan);
  plan.config.kind = "vsae_iso";
  plan.settings.kl.log_var_min = -8;
  plan.settings.kl.log_var_max = 4;
}

void vsae_batchtopk(Plan& plan) {
  vsae(plan);
  vsae_auxk(plan);
  plan.config.kind = "vsae_batchtopk";
  constrained(plan, Project::kAfterClip);
  plan.settings.auxk.offer = AuxKSettings::Offer::kRelu;
  plan.settings.auxk.unbiased = true;
  plan.settings.auxk.reaches_residual = true;
}

void vsae_jumprelu(Plan& plan) {
  vsae(plan);
  plan.config.kind = "vsae_jumprelu";
  plan.settings.variational.mean_path = 0.1;
  plan.settings.sparsity.coefficient = 1;  // Of the mean path's warm-up.
}

void vsae_gated(Plan& plan) {
  vsae(plan);
  plan.config.kind = "vsae_gated";
  plan.config.variational.log_var_min = -2;
  plan.settings.kl.variance_log_min = -2;
  l1(plan, SparsityWeight::kOne);
  plan.settings.sparsity.coefficient = 0.1;
  plan.settings.gate = {0.1, false};
  constrained(plan, Project::kAfterClip);
  plan.settings.decoder.constrains_b_dec = true;
}

void vsae_p_anneal(Plan& plan) {
  vsae_iso(plan);
  plan.settings.sparsity.kind = SparsityKind::kNorm;
  plan.settings.anneal.start = 0;
  plan.settings.sparsity.eps = 1e-8;
  plan.settings.anneal.last_p = 0.5;
  plan.settings.anneal.rescales = false;
}

void vsae_matryoshka(Plan& plan) {
  vsae(plan);
  plan.config.kind = "vsae_matryoshka";
  plan.settings.last_level_only = true;
}

// arXiv 2509.22994 as its text has it, with the authors' errata: noise before the choice, z chosen
// by size, all latents in the KL, AuxK on and without b_dec.
void vsae_paper(Plan& plan) {
  vsae_topk(plan);
  plan.config.apply_b_dec_to_input = true;
  plan.config.variational.relu_mu = false;
  plan.config.variational.variance = VariationalSaeConfig::Variance::kLearned;
  plan.settings.auxk.bias = AuxKSettings::Bias::kNone;
  plan.settings.kl.coefficient = 1;
}

void weir_topk(Plan& plan) {
  dl_topk(plan);
  plan.settings.dead.fired = DeadSettings::Fired::kNonZero;
}

// Ours: latents are chosen by mu, and noise of a learned size reaches the chosen ones alone, so
// that no draw flips a choice; the KL is of the chosen ones too.
void weir_vsae_topk(Plan& plan) {
  weir_topk(plan);
  plan.config.kind = "vsae_topk";
  plan.config.variational.variance = VariationalSaeConfig::Variance::kLearned;
  plan.config.variational.select_on = VariationalSaeConfig::SelectOn::kMu;
  plan.settings.variational.samples = true;
  plan.settings.variational.after_selection = true;
  plan.settings.kl.coefficient = 1e-4;
  plan.settings.kl.selected_only = true;
  plan.settings.auxk.offer = AuxKSettings::Offer::kRelu;
}

const std::map<std::string, std::function<void(Plan&)>>& table() {
  static const std::map<std::string, std::function<void(Plan&)>> all = {
      {"dictionary_learning/standard", dl_standard},
      {"dictionary_learning/april", dl_april},
      {"dictionary_learning/april_new", dl_april_new},
      {"dictionary_learning/topk", dl_topk},
      {"dictionary_learning/batchtopk", dl_batchtopk},
      {"dictionary_learning/matryoshka", dl_matryoshka},
      {"dictionary_learning/gated", dl_gated},
      {"dictionary_learning/jumprelu", dl_jumprelu},
      {"dictionary_learning/p_anneal", dl_p_anneal},
      {"dictionary_learning/gated_anneal", dl_gated_anneal},
      {"saelens/standard", sl_standard},
      {"saelens/gated", sl_gated},
      {"saelens/jumprelu", sl_jumprelu},
      {"saelens/topk", sl_topk},
      {"saelens/abstopk", sl_abstopk},
      {"saelens/batchtopk", sl_batchtopk},
      {"saelens/matryoshka", sl_matryoshka},
      {"sparsify/topk", sp_topk},
      {"sparsify/groupmax", sp_groupmax},
      {"sparsify/transcoder", sp_transcoder},
      {"openai/topk", openai},
      {"attention_saes/standard", attention_sae},
      {"vsae/topk", vsae_topk},
      {"vsae/topk_bias", vsae_topk_bias},
      {"vsae/masked_kl", vsae_masked_kl},
      {"vsae/iso", vsae_iso},
      {"vsae/batchtopk", vsae_batchtopk},
      {"vsae/jumprelu", vsae_jumprelu},
      {"vsae/gated", vsae_gated},
      {"vsae/p_anneal", vsae_p_anneal},
      {"vsae/matryoshka", vsae_matryoshka},
      {"vsae/paper", vsae_paper},
      {"weir/topk", weir_topk},
      {"weir/vsae_topk", weir_vsae_topk}};
  return all;
}

}  // namespace

SaeTrainingPlan training_preset(std::string_view name) {
  const auto found = table().find(std::string(name));
  if (found == table().end()) {
    fail(ErrorCode::kNotFound, "unknown preset \"{}\"{}; known: {}", name,
         did_you_mean(name, training_presets()), fmt::join(training_presets(), ", "));
  }
  Plan plan;
  found->second(plan);
  return plan;
}

std::vector<std::string> training_presets() {
  std::vector<std::string> names;
  for (const auto& [name, apply] : table()) names.push_back(name);
  return names;
}

}  // namespace weir
