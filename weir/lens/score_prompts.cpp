#include "weir/lens/score_prompts.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/progress.h"
#include "weir/lm/token_batch.h"

namespace weir {
namespace {

/// log p of all answers' tokens, each row of the prompt followed by its answer.
at::Tensor whole_log_probs(const LanguageModel& lm, const std::vector<Prompt>& prompts,
                           const RunOptions& run) {
  std::vector<std::vector<int64_t>> rows;
  for (const Prompt& prompt : prompts) {
    rows.push_back(prompt.clean.tokens);
    rows.back().insert(rows.back().end(), prompt.answer.begin(), prompt.answer.end());
  }
  const at::Tensor log_probs = lm.token_log_probs(left_pad(rows), run);
  std::vector<double> sums;
  for (size_t n = 0; n < prompts.size(); ++n) {
    const auto length = static_cast<int64_t>(prompts[n].answer.size());
    sums.push_back(log_probs[static_cast<int64_t>(n)]
                       .slice(0, log_probs.size(1) - length)
                       .to(at::kDouble)
                       .sum()
                       .item<double>());
  }
  return at::tensor(sums, at::kDouble);
}

}  // namespace

PromptScores score_prompts(const LanguageModel& lm, const PromptSet& set,
                           const PromptScoreOptions& options) {
  RunOptions run;
  run.interventions = options.interventions;
  run.logits = LogitsAt::kLast;
  const bool has_wrong = set.has_wrong();
  std::vector<at::Tensor> log_prob, rank, difference, top, whole;
  Progress progress("scoring " + set.task, static_cast<uint64_t>(set.size()), "prompts");
  for (int64_t first = 0; first < set.size(); first += options.batch) {
    PromptSet part = set;
    part.prompts = {set.prompts.begin() + first,
                    set.prompts.begin() + std::min(first + options.batch, set.size())};
    const at::Tensor logits =
        lm.run(left_pad(part.clean_rows()), run).logits.select(1, 0).to(at::kCPU, at::kDouble);
    const at::Tensor answer = part.answers().unsqueeze(1);
    const at::Tensor of_answer = logits.gather(1, answer);
    log_prob.push_back(logits.log_softmax(1).gather(1, answer).squeeze(1));
    rank.push_back((logits > of_answer).sum(1));
    top.push_back(logits.argmax(1));
    if (has_wrong) {
      difference.push_back((of_answer - logits.gather(1, part.wrongs().unsqueeze(1))).squeeze(1));
    }
    if (options.whole_answer) whole.push_back(whole_log_probs(lm, part.prompts, run));
    progress.advance(static_cast<uint64_t>(part.size()));
  }
  const auto joined = [](const std::vector<at::Tensor>& parts) {
    return parts.empty() ? at::Tensor() : at::cat(parts);
  };
  return {joined(log_prob), joined(rank), joined(difference), joined(top), joined(whole)};
}

}  // namespace weir
