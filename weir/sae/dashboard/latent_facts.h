#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "weir/sae/dashboard/latent_events.h"
#include "weir/sae/dashboard/token_runs.h"

/// What a page says about a latent, as plain numbers.
namespace weir {

struct FactOptions {
  int64_t n_top = 20;               ///< Strongest examples, each of another context.
  int64_t n_intervals = 4;          ///< Of the activation, from 0 to its largest, of one width ...
  int64_t n_per_interval = 3;       ///< ... with examples drawn at random.
  int64_t before = 20, after = 10;  ///< Tokens shown around the one that an example is about.
  int64_t n_bins = 40;
  int64_t n_tokens = 8;    ///< Tokens that it fires on.
  int64_t n_together = 8;  ///< Latents that fire with it.
};

/// A piece of a context.
struct LatentExample {
  int64_t context = 0, position = 0;  ///< Of the token it is about.
  int64_t first = 0;                  ///< Position of the first token shown.
  float value = 0;                    ///< There.
  std::vector<int32_t> tokens;
  std::vector<float> values;  ///< Of this latent at each of them.
};

struct ExampleInterval {
  double low = 0, high = 0;
  double share = 0;  ///< Of all firings.
  std::vector<LatentExample> examples;
};

/// A token that a latent fires on.
struct FiringToken {
  int32_t token = 0;
  double share = 0;   ///< Of the latent's firings.
  double recall = 0;  ///< Share of the token's rows at which it fires.
  double mean = 0;    ///< Activation there.
};

struct LatentFacts {
  int64_t latent = 0;
  int64_t n_rows = 0, n_fired = 0;
  double density = 0;  ///< Of the rows.
  double mean = 0;     ///< Activation, where it fires.
  double largest = 0;  ///< In size, with its sign.
  std::vector<double> bin_edges, bin_counts;
  std::vector<LatentExample> top;
  std::vector<ExampleInterval> intervals;            ///< Strongest first.
  std::vector<FiringToken> tokens;                   ///< The most telling first (F1).
  std::vector<std::pair<int64_t, double>> together;  ///< Latent, n_both / sqrt(n_a n_b).

  // Scores that need no judge; NaN for a latent that never fires.
  double token_entropy = 0;  ///< Bits: of the tokens of the strongest examples.
  double selectivity = 0;    ///< F1 of "the token is t" for "it fires", best token.
  std::array<double, TokenRuns::kLongest> lookup{};  ///< lookup_score of the last 1, 2, 3 tokens.
};

/// Finds the facts of latents one by one; keeps what they share.
class FactFinder {
 public:
  FactFinder(const LatentEvents& events, const FactOptions& options);
  /// `range` holds the latent. Random choices are of the latent's number alone.
  LatentFacts find(const LatentRange& range, int64_t latent);

 private:
  struct Firings;
  LatentExample example(const Firings& firings, int64_t i) const;
  void add_examples(const Firings& firings, LatentFacts* facts) const;
  void add_tokens(const Firings& firings, LatentFacts* facts);
  void add_together(const Firings& firings, LatentFacts* facts);

  const LatentEvents& events_;
  FactOptions options_;
  TokenRuns runs_;
  LookupScratch scratch_;
  std::vector<int32_t> both_;  ///< A count a latent, zero between calls.
};

}  // namespace weir
