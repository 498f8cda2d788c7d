#include "weir/recall/recall.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/patch/readings.h"
#include "weir/recall/recall_run.h"

namespace weir {
namespace {

constexpr int64_t kLeastSubjects = 4;
constexpr double kLeastTop1 = 0.25;  // below, the model is said not to know the relation

// Indices of the prompts of every second subject of a random order, from `first` on.
at::Tensor half_of(const PromptSet::Groups& subjects, uint64_t seed, size_t first) {
  std::vector<int64_t> order(subjects.names.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int64_t>(i);
  std::mt19937_64 random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  std::vector<bool> chosen(order.size());
  for (size_t i = first; i < order.size(); i += 2) chosen[order[i]] = true;
  std::vector<int64_t> rows;
  for (size_t n = 0; n < subjects.index.size(); ++n) {
    if (chosen[subjects.index[n]]) rows.push_back(static_cast<int64_t>(n));
  }
  return at::tensor(rows, at::kLong);
}

std::vector<int64_t> groups_of(const std::vector<int64_t>& group, const at::Tensor& rows) {
  std::vector<int64_t> taken;
  for (int64_t i = 0; i < rows.numel(); ++i) taken.push_back(group[rows[i].item<int64_t>()]);
  return taken;
}

PromptSet::Groups subjects_of(const PromptSet& set) {
  const PromptSet::Groups subjects = set.group("subject");
  require(static_cast<int64_t>(subjects.names.size()) >= kLeastSubjects,
          "recall: expected at least {} subjects, so that what is chosen on some can be tested on "
          "others, got {}",
          kLeastSubjects, subjects.names.size());
  return subjects;
}

Knowledge knowledge(const RecallRun& run) {
  const at::Tensor& logits = run.last.clean().logits;
  const at::Tensor own = logits.gather(1, run.answers.unsqueeze(1));
  const at::Tensor rank = (logits > own).sum(1);
  const at::Tensor prob = logits.softmax(-1).gather(1, run.answers.unsqueeze(1)).squeeze(1);
  const auto interval = [&](const at::Tensor& x) {
    return interval_of(x, run.group, run.options.seed);
  };
  Knowledge known;
  known.top1 = interval(rank.eq(0).to(at::kDouble));
  known.prob = interval(prob);
  known.pi = interval(centred_logit(logits, run.answers));
  known.median_rank = rank.to(at::kDouble).median().item<double>();
  std::map<int64_t, int64_t> counts;
  int64_t most = 0;
  for (int64_t n = 0; n < run.answers.size(0); ++n) {
    most = std::max(most, ++counts[run.answers[n].item<int64_t>()]);
  }
  known.most_common_answer = static_cast<double>(most) / static_cast<double>(run.set.size());
  known.is_known = known.top1.mean >= kLeastTop1 && known.top1.mean > known.most_common_answer;
  return known;
}

}  // namespace

RecallRun::RecallRun(const LanguageModel& model, const PromptSet& prompts, const NeutralText& text,
                     const RecallOptions& chosen)
    : lm(model),
      set(prompts),
      neutral(text),
      options(chosen),
      last(model, left_pad(prompts.clean_rows())),
      answers(prompts.answers()),
      subjects(prompts.label("subject")),
      subject_first(prompts.positions("subject_first")),
      subject_last(prompts.positions("subject_last")),
      group(subjects_of(prompts).index),
      dev(half_of(subjects_of(prompts), chosen.seed, 0)),
      test(half_of(subjects_of(prompts), chosen.seed, 1)),
      dev_group(groups_of(group, dev)),
      test_group(groups_of(group, test)),
      reader(model),
      effects(path_effects(model, left_pad(prompts.clean_rows()), answers, subjects,
                           /*freeze_mlps=*/false)),
      heads(read_heads(last, subject_first, subject_last, subjects)),
      experiments(last, answers, test, dev) {
  // Small models have few components: leave enough for the controls.
  options.n_heads = std::max<int64_t>(1, std::min(options.n_heads, n_layers() * n_heads() / 4));
  options.n_mlps = std::max<int64_t>(1, std::min(options.n_mlps, n_layers() / 3));
}

RecallResult recall(const LanguageModel& lm, const PromptSet& set, const NeutralText& neutral,
                    const RecallOptions& options) {
  const at::NoGradGuard no_grad;
  const RecallRun run(lm, set, neutral, options);
  RecallResult result;
  result.task = set.task;
  result.notes = set.notes;
  result.n_prompts = set.size();
  result.n_subjects = static_cast<int64_t>(subjects_of(set).names.size());
  result.n_dev = run.dev.size(0);
  result.n_test = run.test.size(0);
  result.knowledge = knowledge(run);
  find_heads(run, result);
  find_mlps(run, result);
  find_depth(run, result);
  find_last_block(run, result);
  claim_heads(run, result);
  claim_mlps(run, result);
  find_functions(run, result);
  claim_last_block(run, result);
  return result;
}

}  // namespace weir
