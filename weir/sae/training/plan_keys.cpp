#include <map>

#include "weir/base/error.h"
#include "weir/sae/training/presets.h"

namespace weir {
namespace {

// Reads keys below a prefix; what a preset said is the default.
class Keys {
 public:
  Keys(Recipe& recipe, std::string prefix) : recipe_(recipe), prefix_(std::move(prefix)) {}

  std::string full(const std::string& key) const {
    return prefix_.empty() ? key : prefix_ + "." + key;
  }
  bool has(const std::string& key) const { return recipe_.has(full(key)); }
  void number(const std::string& key, double* value, double least = 0) {
    *value = recipe_.number(full(key), *value, least);
  }
  void integer(const std::string& key, int64_t* value, int64_t least = 0) {
    *value = recipe_.integer(full(key), *value, least);
  }
  void flag(const std::string& key, bool* value) { *value = recipe_.flag(full(key), *value); }
  std::string text(const std::string& key, const std::string& value) {
    return recipe_.text(full(key), value);
  }

  template <typename Choice>
  void choice(const std::string& key, Choice* value, const std::map<std::string, Choice>& names) {
    std::string known, current;
    for (const auto& [name, of] : names) {
      known += (known.empty() ? "" : ", ") + name;
      if (of == *value) current = name;
    }
    const auto found = names.find(text(key, current));
    require(found != names.end(), "{}: {}: expected one of {}, found \"{}\"", recipe_.name(),
            full(key), known, text(key, current));
    *value = found->second;
  }

  std::vector<double> numbers(const std::string& key, const std::vector<double>& value) {
    return recipe_.numbers(full(key), value);
  }

 private:
  Recipe& recipe_;
  std::string prefix_;
};

void read_config(Keys& keys, SaeConfig& config) {
  config.kind = keys.text("kind", config.kind);
  keys.integer("d_in", &config.d_in);
  keys.integer("d_out", &config.d_out);
  keys.integer("d_sae", &config.d_sae);
  keys.number("k", &config.k);
  std::vector<double> widths(config.widths.begin(), config.widths.end());
  widths = keys.numbers("widths", widths);
  config.widths.assign(widths.begin(), widths.end());
  keys.flag("apply_b_dec_to_input", &config.apply_b_dec_to_input);
  keys.flag("rescale_acts_by_decoder_norm", &config.rescale_acts_by_decoder_norm);
  config.normalisation = parse_sae_normalisation(
      keys.text("normalisation", std::string(to_string(config.normalisation))));
}

void read_sparsity(Keys& keys, SaeTrainingSettings& s) {
  keys.choice<SparsityKind>("sparsity.kind", &s.sparsity.kind,
                            {{"none", SparsityKind::kNone},
                             {"norm", SparsityKind::kNorm},
                             {"powers", SparsityKind::kPowers},
                             {"l0", SparsityKind::kL0},
                             {"tanh", SparsityKind::kTanh},
                             {"l0_quadratic", SparsityKind::kL0Quadratic},
                             {"l0_relative", SparsityKind::kL0Relative}});
  keys.choice<SparsityWeight>("sparsity.weight", &s.sparsity.weight,
                              {{"one", SparsityWeight::kOne},
                               {"decoder_norm", SparsityWeight::kDecoderNorm},
                               {"squared_decoder_norm", SparsityWeight::kSquaredDecoderNorm},
                               {"sum_of_source_norms", SparsityWeight::kSumOfSourceNorms}});
  keys.number("sparsity.coefficient", &s.sparsity.coefficient);
  keys.number("sparsity.p", &s.sparsity.p);
  keys.number("sparsity.eps", &s.sparsity.eps);
  keys.number("sparsity.scale", &s.sparsity.scale);
  keys.number("sparsity.target", &s.sparsity.target);
  keys.integer("sparsity.warmup", &s.sparsity.warmup);
  keys.number("sparsity.pre_activation", &s.sparsity.pre_activation);
  keys.integer("anneal.start", &s.anneal.start, -1);
  keys.integer("anneal.end", &s.anneal.end, -1);
  keys.integer("anneal.stages", &s.anneal.n_stages);
  keys.number("anneal.first_p", &s.anneal.first_p);
  keys.number("anneal.last_p", &s.anneal.last_p);
  keys.integer("anneal.queue", &s.anneal.queue, 1);
  keys.flag("anneal.rescales", &s.anneal.rescales);
  keys.number("jumprelu.bandwidth", &s.jump_relu.bandwidth);
  keys.flag("jumprelu.reaches_input", &s.jump_relu.reaches_input);
  keys.number("gate.coefficient", &s.gate.coefficient);
  keys.flag("gate.detached_decoder", &s.gate.detached_decoder);
}

void read_dead(Keys& keys, SaeTrainingSettings& s) {
  using Offer = AuxKSettings::Offer;
  using Per = AuxKSettings::Per;
  using Bias = AuxKSettings::Bias;
  using Count = DeadSettings::Count;
  using Fired = DeadSettings::Fired;
  keys.number("auxk.coefficient", &s.auxk.coefficient);
  keys.integer("auxk.k", &s.auxk.k);
  keys.choice<Offer>("auxk.offer", &s.auxk.offer,
                     {{"pre", Offer::kPre}, {"relu", Offer::kRelu}, {"size", Offer::kSize}});
  keys.choice<Per>("auxk.per", &s.auxk.per,
                   {{"residual_variance", Per::kResidualVariance},
                    {"total_variance", Per::kTotalVariance},
                    {"nothing", Per::kNothing}});
  keys.choice<Bias>(
      "auxk.bias", &s.auxk.bias,
      {{"none", Bias::kNone}, {"reconstruction", Bias::kReconstruction}, {"both", Bias::kBoth}});
  keys.flag("auxk.unbiased", &s.auxk.unbiased);
  keys.number("auxk.eps", &s.auxk.eps);
  keys.flag("auxk.scaled_by_dead", &s.auxk.scaled_by_dead);
  keys.flag("auxk.trains_encoder", &s.auxk.trains_encoder);
  keys.flag("auxk.reaches_residual", &s.auxk.reaches_residual);
  keys.flag("auxk.each_level", &s.auxk.each_level);
  keys.choice<Count>("dead.count", &s.dead.count,
                     {{"tokens", Count::kTokens},
                      {"passes", Count::kPasses},
                      {"passes_from_one", Count::kPassesFromOne}});
  keys.choice<Fired>("dead.fired", &s.dead.fired,
                     {{"nonzero", Fired::kNonZero},
                      {"positive_sum", Fired::kPositiveSum},
                      {"selected", Fired::kSelected},
                      {"above_thousandth", Fired::kAboveThousandth}});
  keys.number("dead.threshold", &s.dead.threshold);
  keys.flag("dead.strict", &s.dead.strict);
  keys.flag("dead.counts_first", &s.dead.counts_first);
  keys.integer("resample_every", &s.resample_every);
}

void read_variational(Keys& keys, SaeConfig& config, SaeTrainingSettings& s) {
  using Schedule = KlSettings::Schedule;
  VariationalSaeConfig& how = config.variational;
  how.variance =
      parse_sae_variance(keys.text("variational.variance", std::string(to_string(how.variance))));
  how.select_on = parse_sae_selection(
      keys.text("variational.select_on", std::string(to_string(how.select_on))));
  keys.flag("variational.relu_mu", &how.relu_mu);
  keys.number("variational.log_var_min", &how.log_var_min, -1e30);
  keys.number("variational.log_var_max", &how.log_var_max, -1e30);
  keys.flag("variational.samples", &s.variational.samples);
  keys.flag("variational.after_selection", &s.variational.after_selection);
  keys.number("variational.sigma", &s.variational.sigma);
  keys.number("variational.mean_path", &s.variational.mean_path);
  keys.number("kl.coefficient", &s.kl.coefficient);
  keys.choice<KlPrior>("kl.prior", &s.kl.prior,
                       {{"normal", KlPrior::kNormal},
                        {"laplace", KlPrior::kLaplace},
                        {"exponential", KlPrior::kExponential}});
  keys.number("kl.prior_scale", &s.kl.prior_scale);
  keys.flag("kl.selected_only", &s.kl.selected_only);
  keys.choice<Schedule>("kl.schedule", &s.kl.schedule,
                        {{"constant", Schedule::kConstant},
                         {"linear", Schedule::kLinear},
                         {"cyclical", Schedule::kCyclical}});
  keys.integer("kl.warmup", &s.kl.warmup);
  keys.number("kl.mean_max", &s.kl.mean_max);
  keys.number("kl.log_var_min", &s.kl.log_var_min, -1e30);
  keys.number("kl.log_var_max", &s.kl.log_var_max, -1e30);
  keys.number("kl.variance_log_min", &s.kl.variance_log_min, -1e31);
  keys.number("kl.free_nats", &s.kl.free_nats);
  keys.number("kl.target", &s.kl.target);
  keys.number("kl.factor", &s.kl.factor);
}

void read_updates(Keys& keys, SaeTrainingSettings& s) {
  using Constraint = DecoderConstraint;
  using Project = DecoderSettings::Project;
  using Kind = SaeOptimizerSettings::Kind;
  keys.choice<Reconstruction>("reconstruction", &s.reconstruction,
                              {{"sum", Reconstruction::kSum},
                               {"mean", Reconstruction::kMean},
                               {"variance_share", Reconstruction::kVarianceShare}});
  keys.number("reconstruction_scale", &s.reconstruction_scale);
  s.level_weights = keys.numbers("level_weights", s.level_weights);
  keys.flag("mean_of_levels", &s.mean_of_levels);
  keys.flag("last_level_only", &s.last_level_only);
  keys.number("multi_topk", &s.multi_topk);
  keys.flag("passes_zeros", &s.passes_zeros);
  keys.number("threshold.rate", &s.threshold.rate);
  keys.integer("threshold.start", &s.threshold.start);
  keys.flag("threshold.from_zero", &s.threshold.from_zero);
  keys.choice<Constraint>("decoder.constraint", &s.decoder.constraint,
                          {{"free", Constraint::kFree},
                           {"unit_before_forward", Constraint::kUnitBeforeForward},
                           {"unit_before_update", Constraint::kUnitBeforeUpdate},
                           {"unit_after_update", Constraint::kUnitAfterUpdate}});
  keys.choice<Project>("decoder.project", &s.decoder.project,
                       {{"no", Project::kNo},
                        {"before_clip", Project::kBeforeClip},
                        {"after_clip", Project::kAfterClip}});
  keys.flag("decoder.constrains_b_dec", &s.decoder.constrains_b_dec);
  keys.choice<Kind>("optimizer.kind", &s.optimizer.kind,
                    {{"adam", Kind::kAdam}, {"signum", Kind::kSignum}});
  keys.number("optimizer.beta1", &s.optimizer.beta1);
  keys.number("optimizer.beta2", &s.optimizer.beta2);
  keys.number("optimizer.eps", &s.optimizer.eps);
  keys.number("optimizer.momentum", &s.optimizer.momentum);
  keys.number("optimizer.clip", &s.optimizer.clip);
  keys.choice<BiasStart>("bias_start", &s.bias_start,
                         {{"as_given", BiasStart::kAsGiven},
                          {"geometric_median", BiasStart::kGeometricMedian},
                          {"mean", BiasStart::kMean}});
  keys.number("k_start", &s.k_start);
  keys.integer("k_anneal", &s.k_anneal);
}

}  // namespace

SaeTrainingPlan read_training_plan(Recipe& recipe, const std::string& prefix) {
  Keys keys(recipe, prefix);
  SaeTrainingPlan plan = training_preset(keys.text("preset", "weir/topk"));
  read_config(keys, plan.config);
  read_sparsity(keys, plan.settings);
  read_dead(keys, plan.settings);
  read_variational(keys, plan.config, plan.settings);
  read_updates(keys, plan.settings);
  return plan;
}

}  // namespace weir
