#pragma once

#include <cstdint>
#include <vector>

#include "weir/lm/generate.h"

namespace weir {

/// A token that may be drawn.
struct Candidate {
  int64_t id = 0;
  double probability = 0;
};

/// Chooses a token from a row of logits. The filters and their order are those of Hugging Face's
/// logits processors; docs/methods/generation.md states them.
class Sampler {
 public:
  /// kInvalidArgument when an option lies outside its range.
  explicit Sampler(const SamplingOptions& options);

  /// True when the most probable token is taken: no randomness.
  bool is_greedy() const { return options_.greedy || options_.temperature == 0; }
  bool has_penalty() const { return options_.repetition_penalty != 1; }

  /// The tokens that every filter leaves, with their renormalised probabilities. `seen`: prompt
  /// and generated tokens, for the repetition penalty.
  std::vector<Candidate> candidates(const float* logits, int64_t n_vocab,
                                    const std::vector<int64_t>& seen) const;
  /// The token at `step` of stream `row`: the same options, logits and numbers, the same token.
  int64_t pick(const float* logits, int64_t n_vocab, const std::vector<int64_t>& seen, int64_t row,
               int64_t step) const;

 private:
  SamplingOptions options_;
};

/// Number `step` of stream (seed, row), uniform in [0, 1): Philox 4x32-10 (Salmon et al. 2011)
/// with the seed as key and (row, step) as counter.
double stream_uniform(uint64_t seed, int64_t row, int64_t step);

}  // namespace weir
