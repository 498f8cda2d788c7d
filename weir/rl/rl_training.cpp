#include "weir/rl/rl_training.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/lens/policy_summary.h"
#include "weir/lm/language_model.h"
#include "weir/model/convert.h"
#include "weir/model/own.h"
#include "weir/pretrain/parameter_groups.h"
#include "weir/pretrain/recipe_parts.h"
#include "weir/rl/monitor.h"
#include "weir/rl/objective/penalties.h"
#include "weir/train/run_options.h"
#include "weir/train/state_file.h"

namespace weir::rl {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kState = "training.safetensors";
constexpr int64_t kHeldPrompts = 8, kHeldAnswers = 2;  // Whose perplexity guards measure.

// Streams of random numbers for the parts of a step.
uint64_t mixed(uint64_t seed, int64_t step, uint64_t part) {
  return (seed * 0x9e3779b97f4a7c15ULL) ^ (static_cast<uint64_t>(step) * 0xbf58476d1ce4e5b9ULL) ^
         (part * 0x94d049bb133111ebULL);
}

fs::path found(Recipe& recipe, const RlTraining::FindModel& find) {
  const std::string name = recipe.text("model.from", "");
  require(!name.empty(), "{}: expected model.from, the model to train", recipe.name());
  return find(name);
}

LanguageTrainer holder_of(Recipe& recipe, LoadedModel* model, const std::shared_ptr<Lora>& adapter,
                          const LanguageTrainerOptions& options) {
  if (adapter) {
    recipe.leave("train.parameters");
    return LanguageTrainer(model, adapter, options);
  }
  return LanguageTrainer(model, recipe.texts("train.parameters", {"*"}), options);
}

ObjectiveOptions objective_of(Recipe& recipe) {
  json settings = recipe.table("objective");
  const std::string preset = settings.value("preset", "grpo");
  settings.erase("preset");
  json whole = objective_preset(preset);
  whole.merge_patch(settings);
  return objective_options(whole);
}

RolloutOptions rollout_of(Recipe& recipe) {
  RolloutOptions options;
  options.n = recipe.integer("rollout.n", 8, 1);
  options.max_new = recipe.integer("rollout.max_new", 32, 1);
  options.most_rows = recipe.integer("rollout.rows", 64, 1);
  options.sampling.temperature = recipe.number("rollout.temperature", 1);
  options.sampling.top_k = recipe.integer("rollout.top_k", 0);
  options.sampling.top_p = recipe.number("rollout.top_p", 1, 0, 1);
  require(options.sampling.temperature > 0, "{}: rollout.temperature: expected a number above 0",
          recipe.name());
  return options;
}

TrainingRunOptions run_of(Recipe& recipe) {
  TrainingRunOptions run = run_options(recipe);
  // Policy losses lie about 0: only what is not finite tells of a training that left its way.
  run.divergence.rise = 0;
  run.loss_unit = "objective";
  return run;
}

void check_guards(const GuardOptions& guards, const std::vector<Phase>& phases,
                  const ObjectiveOptions& objective) {
  const bool is_internal = std::any_of(phases.begin(), phases.end(), [](const Phase& phase) {
    return phase.spec.source != PolicySpec::Source::kFull;
  });
  require(
      !(is_internal && objective.kl_coef > 0),
      "objective.kl: a penalty against the full reference policy means nothing in a phase of an "
      "internal one; expected kl.coef 0, or full phases alone");
  if (!guards.any()) return;
  require(guards.action == "stop" || phases.size() > 1,
          "guards.action {}: expected a second phase to go on with", guards.action);
}

}  // namespace

RlTraining::RlTraining(Recipe& recipe, fs::path folder, const FindModel& find)
    : folder_(std::move(folder)),
      model_([&] {
        const fs::path from = found(recipe, find);
        tokenizer_ = load_tokenizer(from);
        return own(load_model(from));
      }()),
      base_(recipe.text("model.from", "")),
      adapter_(make_lora(recipe, model_)),
      trainer_options_(trainer_options(recipe)),
      holder_(holder_of(recipe, &model_, adapter_, trainer_options_)),
      trainer_(&holder_, &model_, adapter_.get()),
      task_(read_task(recipe)),
      rollout_(rollout_of(recipe)),
      objective_(objective_of(recipe)),
      guards_(guard_options(recipe.table("guards"))),
      run_(run_of(recipe)),
      end_tokens_(end_tokens_of(model_.config, &*tokenizer_)) {
  rollout_.stop = task_.stop;
  holder_.set_optimizer(make_optimizer(recipe, holder_));
  if (!holder_.parameters().empty()) {
    rules_ = decay_rules(holder_.parameters(),
                         parse_decay_rule(recipe.text("optimizer.decay", "matrices")));
  }
  seed_ = static_cast<uint64_t>(recipe.integer("run.seed", 0));
  prompts_ = recipe.integer("rollout.prompts", 8, 1);
  minibatches_ = recipe.integer("train.minibatches", 1, 1, prompts_);
  epochs_ = recipe.integer("train.epochs", 1, 1);
  rows_ = recipe.integer("train.rows", 16, 1);
  attempts_ = recipe.integer("rollout.attempts", 1, 1);
  overlong_cache_ = recipe.integer("overlong.cache", 0, 0, rollout_.max_new);
  overlong_penalty_ = recipe.number("overlong.penalty", 1);
  test_problems_ = recipe.integer("run.validation_rows", 32, 1);
  test_n_ = recipe.integer("run.validation_n", 4, 1);
  monitor_every_ = recipe.integer("run.monitor_every", 10, 0);
  samples_ = recipe.integer("run.samples", 8, 0);
  if (objective_.aggregation.length == 0) {
    objective_.aggregation.length = static_cast<double>(rollout_.max_new);
  }
  phases_ = phases_of(recipe.table("phases"), model_.config.n_layers, rollout_.sampling.temperature,
                      [this] { return find_boundary_layer(); });
  check_guards(guards_.options(), phases_, objective_);
  if (objective_.kl_coef > 0) reference_ = own(model_);
  if (guards_.options().any()) keep_held_answers();
}

// The last layer whose MLPs widen the policy, from the model's own answers (2512.19673, 2.1).
int64_t RlTraining::find_boundary_layer() {
  const Answers answers = held_answers(7);
  const RolloutBatch batch = rollout_batch(answers.prompts, answers.rollouts);
  const LanguageModel lm(model_, std::nullopt);
  const at::Tensor counted = at::constant_pad_nd(batch.mask, {1, 0}, 0).gt(0);
  const auto boundary_of = [&](PolicyNorm norm) {
    PolicySummary summary;
    const at::NoGradGuard no_grad;
    summary.add(entropy_dynamics(lm, batch.tokens, norm), counted);
    return find_boundary(find_curve(summary.curves(), "delta_entropy.mlp").tokens);
  };
  const Boundary raw = boundary_of(PolicyNorm::kNone);
  const Boundary controlled = boundary_of(PolicyNorm::kControlled);
  const auto text = [](const std::optional<int64_t>& layer) {
    return layer ? std::to_string(*layer) : std::string("none");
  };
  // The paper's 6 of 36.
  const int64_t fallback =
      std::max<int64_t>(1, std::lround(static_cast<double>(model_.config.n_layers) / 6.0));
  const int64_t layer = raw.automatic.value_or(fallback);
  boundary_note_ = fmt::format(
      "layer = auto: raw entropy changes of the MLPs {} give {}; with every scale taken out {} "
      "give "
      "{}; {} layer {}",
      raw.labels, text(raw.automatic), controlled.labels, text(controlled.automatic),
      raw.automatic ? "taken:"
                    : "there is no boundary layer, taken instead (a sixth of the depth):",
      layer);
  log::info("{}", boundary_note_);
  return layer;
}

at::Tensor RlTraining::Answers::group() const {
  std::vector<int64_t> ids;
  for (const Rollout& of : rollouts) ids.push_back(of.prompt);
  return at::tensor(ids, at::kLong);
}

RlTraining::Answers RlTraining::answer(const std::vector<Problem>& problems,
                                       const RolloutOptions& options, RolloutTimes* times) {
  Answers answers;
  answers.problems = problems;
  for (const Problem& problem : problems) {
    answers.prompts.push_back(prompt_of(task_, problem, *tokenizer_));
  }
  const Weights weights = [&] {
    const at::NoGradGuard no_grad;
    return for_computing_in(trainer_.weights(), trainer_.transformer().dtype());
  }();
  answers.rollouts = roll_out(trainer_.transformer(), weights, &*tokenizer_, end_tokens_,
                              answers.prompts, options, times);
  std::vector<Completion> completions;
  for (const Rollout& of : answers.rollouts) {
    const Problem& problem = problems[static_cast<size_t>(of.prompt)];
    completions.push_back({problem.spoken, of.text, problem.gold});
  }
  const std::vector<Judgement> said = task_.verifier->judge(completions);
  for (const Judgement& judgement : said) {
    answers.rewards.push_back(judgement.score.value_or(std::nan("")));
  }
  return answers;
}

RlTraining::Answers RlTraining::held_answers(uint64_t stream) {
  std::vector<Problem> problems;
  for (int64_t i = 0; i < kHeldPrompts; ++i)
    problems.push_back(task_.problems->training(~seed_, i));
  RolloutOptions options = rollout_;
  options.n = kHeldAnswers;
  options.sampling.seed = mixed(seed_, -1, stream);
  return answer(problems, options, nullptr);
}

// A step's answers; with more attempts than one, only groups that teach something, as far as they
// are found (DAPO's dynamic sampling).
RlTraining::Answers RlTraining::collect(int64_t step, RolloutTimes* times) {
  Answers kept;
  for (int64_t attempt = 0; attempt < attempts_; ++attempt) {
    std::vector<Problem> problems;
    for (int64_t i = 0; i < prompts_; ++i) {
      problems.push_back(task_.problems->training(seed_, cursor_++));
    }
    RolloutOptions options = rollout_;
    options.sampling.seed = mixed(seed_, step, static_cast<uint64_t>(attempt));
    Answers answers = answer(problems, options, times);
    if (attempts_ == 1) return answers;
    const auto rows = rows_with_variance(at::tensor(answers.rewards, at::kDouble), answers.group());
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto row = static_cast<size_t>(rows[i]);
      Rollout& rollout = answers.rollouts[row];
      const bool is_first =
          i == 0 || answers.rollouts[static_cast<size_t>(rows[i - 1])].prompt != rollout.prompt;
      if (is_first && static_cast<int64_t>(kept.prompts.size()) == prompts_) break;
      if (is_first) {
        kept.prompts.push_back(answers.prompts[static_cast<size_t>(rollout.prompt)]);
        kept.problems.push_back(problems[static_cast<size_t>(rollout.prompt)]);
      }
      Rollout copy = rollout;
      copy.prompt = static_cast<int64_t>(kept.prompts.size()) - 1;
      kept.rollouts.push_back(std::move(copy));
      kept.rewards.push_back(answers.rewards[row]);
    }
    if (static_cast<int64_t>(kept.prompts.size()) == prompts_) break;
    if (attempt + 1 == attempts_ && kept.prompts.empty()) return answers;
  }
  return kept;
}

std::vector<bool> RlTraining::frozen_in(const Phase& phase) const {
  std::vector<bool> frozen;
  if (phase.freeze.empty()) return frozen;
  for (const Parameter& parameter : holder_.parameters()) {
    frozen.push_back(std::any_of(phase.freeze.begin(), phase.freeze.end(), [&](const auto& glob) {
      return glob_matches(glob, parameter.name);
    }));
  }
  return frozen;
}

void RlTraining::apply_rates(const Phase& phase) {
  if (rules_.empty()) return;
  std::vector<ParameterRule> rules = rules_;
  for (size_t i = 0; i < rules.size(); ++i) {
    const std::string& name = holder_.parameters()[i].name;
    const bool is_block = name.rfind("blocks.", 0) == 0;
    if (is_block && std::stoll(name.substr(7)) >= phase.above) rules[i].rate *= phase.rate_above;
  }
  holder_.optimizer().set_rules(rules);
}

void RlTraining::reset_optimizer() {
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : holder_.optimizer().state()) tensor.zero_();
}

void RlTraining::note(const std::string& name, double value) {
  const auto known = std::find_if(figures_.begin(), figures_.end(),
                                  [&](const auto& figure) { return figure.first == name; });
  if (known != figures_.end()) {
    known->second = value;
  } else {
    figures_.emplace_back(name, value);
  }
}

void RlTraining::keep_held_answers() {
  const Answers answers = held_answers(8);
  held_ = rollout_batch(answers.prompts, answers.rollouts);
  double n_cut = 0;
  for (const Rollout& of : answers.rollouts) n_cut += of.finish == "length" ? 1 : 0;
  cut_share_ = n_cut / static_cast<double>(answers.rollouts.size());
}

// Before a step's answers are drawn: what the steps before it did.
void RlTraining::watch(int64_t step) {
  const Phase& phase = phases_[phase_at(phases_, step + 1, floor_)];
  const GuardOptions& options = guards_.options();
  const bool is_full = phase.spec.source == PolicySpec::Source::kFull;
  if (!options.any() || step % options.every != 0 || (is_full && options.internal_only)) return;
  PolicySpec full;
  full.temperature = phase.spec.temperature;
  GuardReading reading;
  const at::Tensor log_prob = trainer_.scores(held_.tokens, held_.mask, full, rows_).log_prob;
  reading.perplexity = std::exp(-log_prob.sum().item<double>() / held_.mask.sum().item<double>());
  reading.length = cut_share_;
  if (phase.spec.source == PolicySpec::Source::kLayer) {
    reading.kl = policy_kl(trainer_.transformer(), trainer_.weights(), held_.tokens, held_.mask,
                           phase.spec, full);
    note("internal/KL to the full policy (nats)", *reading.kl);
  }
  note("held answers/perplexity", reading.perplexity);
  const auto wrong = guards_.take(reading);
  const at::NoGradGuard no_grad;
  if (!wrong) {
    if (options.action != "rollback") return;
    good_.clear();
    for (const at::Tensor& leaf : holder_.leaves()) good_.push_back(leaf.detach().clone());
    return;
  }
  require(options.action != "stop", "guard: after step {}, {}", step, *wrong);
  const size_t next = phase_at(phases_, step + 1, floor_) + 1;
  if (next >= phases_.size()) return;
  const bool goes_back = options.action == "rollback" && !good_.empty();
  log::warn(
      "guard: after step {}, {}; {}", step, *wrong,
      goes_back ? "back to the last good weights, then the next phase" : "the next phase begins");
  for (size_t i = 0; goes_back && i < good_.size(); ++i) {
    holder_.leaves()[i].detach().copy_(good_[i]);
  }
  floor_ = next;
  guards_.begin_phase();
  if (phases_[floor_].reset_optimizer || goes_back) reset_optimizer();
}

Trainee::Update RlTraining::update(int64_t step, double rate) {
  watch(step);
  const size_t now = phase_at(phases_, step + 1, floor_);
  const Phase& phase = phases_[now];
  if (step > 0 && phase_at(phases_, step, floor_) != now) {
    guards_.begin_phase();
    if (phase.reset_optimizer) reset_optimizer();
    log::info("step {}: phase {} begins ({})", step + 1, phase.name, phase.spec.name());
  }
  apply_rates(phase);
  RolloutTimes times;
  Answers answers = collect(step, &times);
  const RolloutBatch batch = rollout_batch(answers.prompts, answers.rollouts);
  const auto n_rows = static_cast<int64_t>(answers.rollouts.size());
  double length = 0, n_cut = 0, n_right = 0, sum = 0, n_judged = 0;
  for (size_t i = 0; i < answers.rollouts.size(); ++i) {
    const auto n = static_cast<int64_t>(answers.rollouts[i].tokens.size());
    length += static_cast<double>(n);
    n_cut += answers.rollouts[i].finish == "length" ? 1 : 0;
    double& reward = answers.rewards[i];
    if (std::isnan(reward)) continue;
    n_judged += 1;
    sum += reward;
    n_right += reward > 1 - 1e-9 ? 1 : 0;
    if (overlong_cache_ > 0) {
      reward += overlong_penalty(n, rollout_.max_new, overlong_cache_, overlong_penalty_);
    }
  }
  const auto rows = static_cast<double>(n_rows);
  AdvantageInput judged;
  judged.mask = batch.mask;
  judged.rewards = at::tensor(answers.rewards, at::kDouble);
  judged.group = answers.group();
  PolicyBatch whole;
  whole.tokens = batch.tokens;
  whole.mask = batch.mask;
  whole.advantage = advantages(judged, objective_.advantage).advantages;
  const bool is_full = phase.spec.source == PolicySpec::Source::kFull;
  if (minibatches_ * epochs_ > 1) {
    whole.old_log_prob = trainer_.scores(batch.tokens, batch.mask, phase.spec, rows_).log_prob;
  }
  if (reference_) {
    const at::NoGradGuard no_grad;
    whole.ref_log_prob = at::zeros_like(batch.mask);
    for (int64_t first = 0; first < n_rows; first += rows_) {
      const int64_t last = std::min(first + rows_, n_rows);
      const PolicyBatch part = whole.rows(first, last);
      const PolicyScores scores = policy_scores(trainer_.transformer(), reference_->weights,
                                                part.tokens, part.mask, phase.spec);
      whole.ref_log_prob.slice(0, first, last)
          .slice(1, batch.mask.size(1) - part.mask.size(1))
          .copy_(scores.log_prob);
    }
  }
  // Groups stay together: minibatch k has the prompts [k P / m, (k + 1) P / m).
  const auto n_prompts = static_cast<int64_t>(answers.prompts.size());
  const int64_t parts = std::min(minibatches_, n_prompts);
  std::vector<int64_t> ends(static_cast<size_t>(parts), 0);
  for (int64_t i = 0; i < n_rows; ++i) {
    for (int64_t k = 0; k < parts; ++k) {
      if (answers.rollouts[static_cast<size_t>(i)].prompt < (k + 1) * n_prompts / parts) {
        ends[static_cast<size_t>(k)] = i + 1;
      }
    }
  }
  std::map<std::string, double> stats;
  PolicyTrainer::Update last;
  double loss = 0, norm = 0;
  const double n_updates = static_cast<double>(parts * epochs_);
  const std::vector<bool> frozen = frozen_in(phase);
  at::Tensor first_log_prob;
  for (int64_t epoch = 0; epoch < epochs_; ++epoch) {
    for (int64_t k = 0; k < parts; ++k) {
      const int64_t begin = k == 0 ? 0 : ends[static_cast<size_t>(k) - 1];
      last =
          trainer_.update(whole.rows(begin, ends[static_cast<size_t>(k)]), phase.spec, objective_,
                          rate * phase.rate_scale, trainer_options_.clip, rows_, frozen);
      if (parts == 1 && epoch == 0) first_log_prob = last.log_prob;
      loss += last.loss / n_updates;
      norm += last.gradient_norm / n_updates;
      for (const auto& [name, value] : last.stats) stats[name] += value / n_updates;
    }
  }
  if (whole.old_log_prob.defined()) first_log_prob = whole.old_log_prob;

  note("mean/reward", n_judged > 0 ? sum / n_judged : 0);
  note("all right/reward", n_judged > 0 ? n_right / n_judged : 0);
  note("groups/share without variance", share_without_variance(judged.rewards, judged.group));
  note("mean/length (tokens)", length / rows);
  note("cut at the limit/share of answers", n_cut / rows);
  const std::string trained = is_full ? "full" : "internal";
  note(
      "full/entropy (nats)", is_full ? stats["entropy"] : [&] {
        PolicySpec full;
        full.temperature = phase.spec.temperature;
        return trainer_.scores(batch.tokens, thinned(batch.mask, 64), full, rows_)
                   .entropy.sum()
                   .item<double>() /
               std::min(64.0, batch.mask.sum().item<double>());
      }());
  note("trained/entropy (nats)", stats["entropy"]);
  for (const char* name : {"clip_share", "dual_clip_share", "kl_old", "kl_ref"}) {
    note(std::string(name) + "/share, nats", stats.count(name) != 0 ? stats[name] : 0);
  }
  for (const char* name : {"ratio_min", "ratio_mean", "ratio_max"}) {
    note(std::string(name) + "/ratio", stats.count(name) != 0 ? stats[name] : 1);
  }
  // Between the policy that drew and the same one as the training computes it.
  double drift = 0;
  if (is_full && first_log_prob.defined() && rollout_.sampling.top_k == 0 &&
      rollout_.sampling.top_p == 1) {
    drift = ((first_log_prob - batch.log_prob) * batch.mask).abs().max().item<double>();
  }
  note("largest/difference from what was sampled (nats)", drift);
  note("rollout/tokens a second",
       static_cast<double>(times.tokens) / std::max(times.seconds, 1e-9));
  note("phase/phase", static_cast<double>(now + 1));
  for (size_t layer = 0; layer < last.layer_norms.size(); ++layer) {
    note(fmt::format("layer {}/gradient norm by layer", layer + 1), last.layer_norms[layer]);
  }
  if (monitor_every_ > 0 && step % monitor_every_ == 0) {
    const auto entropies =
        layer_entropies(trainer_.transformer(), trainer_.weights(), batch.tokens, batch.mask);
    for (size_t layer = 0; layer < entropies.size(); ++layer) {
      note(fmt::format("layer {}/entropy of internal policies (nats)", layer + 1),
           entropies[layer]);
    }
  }
  cut_share_ = n_cut / rows;
  write_samples(step, answers);
  return {loss, norm, times.tokens};
}

void RlTraining::write_samples(int64_t step, const Answers& answers) const {
  if (samples_ == 0) return;
  std::string lines;
  for (int64_t i = 0;
       i < std::min<int64_t>(samples_, static_cast<int64_t>(answers.rollouts.size())); ++i) {
    const Rollout& of = answers.rollouts[static_cast<size_t>(i)];
    const Problem& problem = answers.problems[static_cast<size_t>(of.prompt)];
    const double reward = answers.rewards[static_cast<size_t>(i)];  // NaN becomes null.
    const nlohmann::ordered_json line = {{"step", step + 1},     {"question", problem.spoken},
                                         {"gold", problem.gold}, {"answer", of.text},
                                         {"finish", of.finish},  {"tokens", of.tokens.size()},
                                         {"reward", reward}};
    lines += io::dump_json(line) + "\n";
  }
  fs::create_directories(folder_ / "samples");
  io::write_file(folder_ / "samples" / fmt::format("step-{:08}.jsonl", step + 1), lines);
}

double RlTraining::validate() {
  RolloutOptions options = rollout_;
  options.n = test_n_;
  options.sampling.seed = mixed(seed_, -1, 9);
  const Answers answers = answer(task_.problems->test(test_problems_), options, nullptr);
  double sum = 0;
  for (const double reward : answers.rewards) sum += std::isnan(reward) ? 0 : reward;
  return 1 - sum / static_cast<double>(answers.rewards.size());
}

void RlTraining::save(const fs::path& folder) const {
  if (adapter_) {
    adapter_->save(folder, base_);
    tokenizer_->save(folder);
  } else {
    SaveOptions options;
    options.also = [this](const fs::path& into) { tokenizer_->save(into); };
    save_hf(model_, folder, options);
  }
  TrainingState state;
  state.tensors = holder_.optimizer().state();
  for (size_t i = 0; i < good_.size(); ++i) state.tensors[fmt::format("good.{}", i)] = good_[i];
  json figures = json::array();
  for (const auto& [name, value] : figures_) figures.push_back({name, value});
  state.texts["rl"] = io::dump_json(json{{"cursor", cursor_},
                                         {"cut_share", cut_share_},
                                         {"floor", floor_},
                                         {"guards", guards_.state()},
                                         {"figures", figures}});
  if (held_.mask.defined()) {
    state.tensors["held.tokens"] = held_.tokens.tokens;
    state.tensors["held.mask"] = held_.mask;
    if (held_.tokens.attention_mask.defined()) {
      state.tensors["held.attention_mask"] = held_.tokens.attention_mask;
    }
  }
  save_state(state, folder / kState);
}

void RlTraining::load(const fs::path& folder) {
  const at::NoGradGuard no_grad;
  if (adapter_) {
    adapter_->load(folder);
  } else {
    LoadedModel saved = load_model(folder);
    const std::vector<Parameter> values = parameters(saved.weights, saved.config),
                                 own = parameters(model_.weights, model_.config);
    require(values.size() == own.size(), "{}: a checkpoint of another model", folder.string());
    for (size_t i = 0; i < own.size(); ++i) own[i].held().detach().copy_(values[i].held());
  }
  TrainingState state = read_state(folder / kState);
  std::map<std::string, at::Tensor> of_optimizer;
  good_.clear();
  held_.tokens.attention_mask = at::Tensor();
  for (const auto& [name, tensor] : state.tensors) {
    if (name == "held.tokens") {
      held_.tokens.tokens = tensor;
    } else if (name == "held.mask") {
      held_.mask = tensor;
    } else if (name == "held.attention_mask") {
      held_.tokens.attention_mask = tensor;
    } else if (name.rfind("good.", 0) != 0) {
      of_optimizer[name] = tensor;
    }
  }
  for (size_t i = 0; state.tensors.count(fmt::format("good.{}", i)) != 0; ++i) {
    good_.push_back(state.tensors.at(fmt::format("good.{}", i)));
  }
  holder_.optimizer().load_state(of_optimizer);
  const json rl = io::parse_json(state.texts.at("rl"), kState);
  cursor_ = io::get_int(rl, "cursor", 0, INT64_MAX, kState);
  cut_share_ = io::get_double(rl, "cut_share", kState);
  floor_ = static_cast<size_t>(io::get_int(rl, "floor", 0, INT64_MAX, kState));
  guards_.load(rl.at("guards"));
  figures_.clear();
  for (const json& figure : rl.at("figures")) {
    figures_.emplace_back(figure[0].get<std::string>(), figure[1].get<double>());
  }
}

void RlTraining::strip(const fs::path& folder) const {
  std::error_code ignored;
  fs::remove(folder / kState, ignored);
}

}  // namespace weir::rl
