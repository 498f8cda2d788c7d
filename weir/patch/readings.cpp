#include "weir/patch/readings.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {
namespace {

const std::vector<std::string> kNames = {"logit_diff", "logprob", "prob",  "rank",
                                         "kl",         "pi",      "vector"};

/// `values` [..., B, V] at ids [B].
at::Tensor gather(const at::Tensor& values, const at::Tensor& ids) {
  std::vector<int64_t> shape(values.sizes().begin(), values.sizes().end());
  shape.back() = 1;
  return values.gather(-1, ids.unsqueeze(-1).expand(shape)).squeeze(-1);
}

void need(const at::Tensor& target, const char* what, Reading reading) {
  require(target.defined(), "{}: expected {}, got none", reading_name(reading), what);
}

}  // namespace

Reading reading_of(const std::string& name) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Reading>(i);
  }
  fail(ErrorCode::kInvalidArgument,
       "expected a metric logit_diff, logprob, prob, rank, kl, pi or vector, got '{}'", name);
}

std::string reading_name(Reading reading) { return kNames[static_cast<size_t>(reading)]; }

ReadingTargets targets_of(const PromptSet& set) {
  ReadingTargets targets;
  targets.answer = set.answers();
  if (set.has_wrong()) targets.wrong = set.wrongs();
  return targets;
}

at::Tensor read(Reading reading, const at::Tensor& logits, const ReadingTargets& targets) {
  const bool needs_answer = reading != Reading::kKl && reading != Reading::kVector;
  if (needs_answer) need(targets.answer, "answers", reading);
  switch (reading) {
    case Reading::kLogitDiff:
      need(targets.wrong, "wrong answers", reading);
      return gather(logits, targets.answer) - gather(logits, targets.wrong);
    case Reading::kLogProb:
      return gather(logits.log_softmax(-1), targets.answer);
    case Reading::kProb:
      return gather(logits.softmax(-1), targets.answer);
    case Reading::kRank:
      return (logits > gather(logits, targets.answer).unsqueeze(-1))
          .sum(-1)
          .to(logits.scalar_type());
    case Reading::kKl: {
      need(targets.clean_logits, "the clean run's logits", reading);
      const at::Tensor clean = targets.clean_logits.log_softmax(-1);
      return (clean.exp() * (clean - logits.log_softmax(-1))).sum(-1);
    }
    case Reading::kPi:
      return centred_logit(logits, targets.answer);
    case Reading::kVector:
      need(targets.vector, "a vector over the vocabulary", reading);
      return at::matmul(logits, targets.vector.to(logits.scalar_type()));
  }
  fail(ErrorCode::kInternal, "unknown reading");
}

at::Tensor centred_logit(const at::Tensor& logits, const at::Tensor& ids) {
  return gather(logits, ids) - logits.mean(-1);
}

at::Tensor normalised_effect(const at::Tensor& patched, const at::Tensor& base,
                             const at::Tensor& goal) {
  const at::Tensor from = base.to(at::kDouble).mean(), to = goal.to(at::kDouble).mean();
  return (patched.to(at::kDouble).mean(-1) - from) / (to - from);
}

}  // namespace weir
