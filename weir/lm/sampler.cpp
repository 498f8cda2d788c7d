#include "weir/lm/sampler.h"

#include <algorithm>
#include <cmath>

#include <ATen/core/PhiloxRNGEngine.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// Until the end, `probability` holds the logit.
using Candidates = std::vector<Candidate>;

bool more_probable(const Candidate& a, const Candidate& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.id < b.id;
}

void penalise(Candidates& all, std::vector<int64_t> seen, double penalty) {
  std::sort(seen.begin(), seen.end());
  seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
  for (const int64_t id : seen) {
    double& logit = all[id].probability;
    logit = logit < 0 ? logit * penalty : logit / penalty;
  }
}

// Tokens as probable as the k-th stay too.
void keep_top_k(Candidates& kept, int64_t k) {
  if (k <= 0 || k >= static_cast<int64_t>(kept.size())) return;
  std::nth_element(kept.begin(), kept.begin() + (k - 1), kept.end(), more_probable);
  const double limit = kept[k - 1].probability;
  kept.erase(std::remove_if(kept.begin(), kept.end(),
                            [limit](const Candidate& c) { return c.probability < limit; }),
             kept.end());
}

void to_probabilities(Candidates& kept) {
  double highest = kept[0].probability, total = 0;
  for (const Candidate& c : kept) highest = std::max(highest, c.probability);
  for (Candidate& c : kept) total += c.probability = std::exp(c.probability - highest);
  for (Candidate& c : kept) c.probability /= total;
}

// The smallest set of most probable tokens whose probabilities reach p. Sorts only as much of the
// vocabulary as is needed, in pieces that double.
void keep_top_p(Candidates& kept, double p) {
  double sum = 0;
  size_t n_sorted = 0;
  for (size_t piece = 64; n_sorted < kept.size(); piece *= 2) {
    const auto begin = kept.begin() + static_cast<std::ptrdiff_t>(n_sorted);
    const size_t end = std::min(kept.size(), n_sorted + piece);
    std::partial_sort(begin, kept.begin() + static_cast<std::ptrdiff_t>(end), kept.end(),
                      more_probable);
    for (; n_sorted < end; ++n_sorted) {
      sum += kept[n_sorted].probability;
      if (sum >= p) {
        kept.resize(n_sorted + 1);
        return;
      }
    }
  }
}

void keep_min_p(Candidates& kept, double min_p) {
  double highest = 0;
  for (const Candidate& c : kept) highest = std::max(highest, c.probability);
  kept.erase(std::remove_if(
                 kept.begin(), kept.end(),
                 [limit = min_p * highest](const Candidate& c) { return c.probability < limit; }),
             kept.end());
}

Candidates from_logits(const float* logits, int64_t n_vocab) {
  Candidates all(n_vocab);
  for (int64_t id = 0; id < n_vocab; ++id) all[id] = {id, logits[id]};
  return all;
}

}  // namespace

Sampler::Sampler(const SamplingOptions& options) : options_(options) {
  require(options.temperature >= 0 && std::isfinite(options.temperature),
          "sampling: expected a temperature of 0 (greedy) or more, got {}", options.temperature);
  require(options.top_k >= 0, "sampling: expected top-k of 0 (all) or more, got {}", options.top_k);
  require(options.top_p > 0 && options.top_p <= 1, "sampling: expected 0 < top-p <= 1, got {}",
          options.top_p);
  require(options.min_p >= 0 && options.min_p <= 1, "sampling: expected 0 <= min-p <= 1, got {}",
          options.min_p);
  require(options.repetition_penalty > 0 && std::isfinite(options.repetition_penalty),
          "sampling: expected a repetition penalty above 0 (1: none), got {}",
          options.repetition_penalty);
}

Candidates Sampler::candidates(const float* logits, int64_t n_vocab,
                               const std::vector<int64_t>& seen) const {
  Candidates kept = from_logits(logits, n_vocab);
  if (has_penalty()) penalise(kept, seen, options_.repetition_penalty);
  if (is_greedy()) return {{std::min_element(kept.begin(), kept.end(), more_probable)->id, 1.0}};
  if (options_.temperature != 1) {
    for (Candidate& c : kept) c.probability /= options_.temperature;
  }
  keep_top_k(kept, options_.top_k);
  to_probabilities(kept);
  if (options_.top_p < 1) keep_top_p(kept, options_.top_p);
  if (options_.min_p > 0) keep_min_p(kept, options_.min_p);
  double total = 0;
  for (const Candidate& c : kept) total += c.probability;
  for (Candidate& c : kept) c.probability /= total;
  return kept;
}

int64_t Sampler::pick(const float* logits, int64_t n_vocab, const std::vector<int64_t>& seen,
                      int64_t row, int64_t step) const {
  const Candidates kept = candidates(logits, n_vocab, seen);
  double left = stream_uniform(options_.seed, row, step);
  for (const Candidate& c : kept) {
    left -= c.probability;
    if (left < 0) return c.id;
  }
  // Rounding left a little over: the last token that can be drawn at all.
  const auto last = std::find_if(kept.rbegin(), kept.rend(),
                                 [](const Candidate& c) { return c.probability > 0; });
  return last->id;
}

double stream_uniform(uint64_t seed, int64_t row, int64_t step) {
  at::Philox4_32 engine(seed, static_cast<uint64_t>(row), static_cast<uint64_t>(step));
  const uint64_t high = engine(), low = engine();
  return static_cast<double>(((high << 32) | low) >> 11) * 0x1.0p-53;
}

}  // namespace weir
