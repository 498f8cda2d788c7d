#include "weir/sae/dashboard/latent_facts.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <unordered_set>

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir {
namespace {

constexpr int64_t kMostRowsTogether = 2000;  // Looked at for latents that fire together.

// Of "the token is this one" for "it fires".
double f1_of(const FiringToken& token) {
  return 2 * token.share * token.recall / (token.share + token.recall);
}

double entropy_of(const std::map<int32_t, int64_t>& counts, int64_t n) {
  double bits = 0;
  for (const auto& [token, count] : counts) {
    const double p = static_cast<double>(count) / static_cast<double>(n);
    bits -= p * std::log2(p);
  }
  return bits;
}

}  // namespace

// The firings of one latent, by rows that rise.
struct FactFinder::Firings {
  int64_t latent, n;
  const int32_t* rows;
  const float* values;
};

FactFinder::FactFinder(const LatentEvents& events, const FactOptions& options)
    : events_(events),
      options_(options),
      runs_(events),
      both_(static_cast<size_t>(events.n_latents()), 0) {
  require(options.n_top >= 1 && options.n_intervals >= 1 && options.n_per_interval >= 0 &&
              options.before >= 0 && options.after >= 0 && options.n_bins >= 1,
          "dashboard: expected at least one example, interval and bin");
}

LatentExample FactFinder::example(const Firings& firings, int64_t i) const {
  const auto [context, position] = events_.place(firings.rows[i]);
  LatentExample example;
  example.context = context;
  example.position = position;
  example.value = firings.values[i];
  example.first = std::max<int64_t>(0, position - options_.before);
  const int64_t last = std::min(events_.context_length() - 1, position + options_.after);
  for (int64_t at = example.first; at <= last; ++at) {
    const int32_t token = events_.token(context, at);
    if (token < 0) break;
    example.tokens.push_back(token);
  }
  example.values.resize(example.tokens.size(), 0);
  const auto fill = [&](int64_t k) {
    const auto [other, at] = events_.place(firings.rows[k]);
    const int64_t place = at - example.first;
    const bool is_inside =
        other == context && place >= 0 && place < static_cast<int64_t>(example.tokens.size());
    if (is_inside) example.values[static_cast<size_t>(place)] = firings.values[k];
    return is_inside;
  };
  for (int64_t k = i; k >= 0 && fill(k);) --k;
  for (int64_t k = i + 1; k < firings.n && fill(k);) ++k;
  return example;
}

void FactFinder::add_examples(const Firings& firings, LatentFacts* facts) const {
  const auto size_of = [&](int64_t i) { return std::abs(firings.values[i]); };
  // The strongest firing of each context.
  std::vector<int64_t> best;
  for (int64_t i = 0; i < firings.n; ++i) {
    const bool is_same = !best.empty() && events_.place(firings.rows[best.back()]).context ==
                                              events_.place(firings.rows[i]).context;
    if (!is_same) {
      best.push_back(i);
    } else if (size_of(i) > size_of(best.back())) {
      best.back() = i;
    }
  }
  const auto n_top = std::min<int64_t>(options_.n_top, static_cast<int64_t>(best.size()));
  std::partial_sort(best.begin(), best.begin() + n_top, best.end(), [&](int64_t a, int64_t b) {
    return size_of(a) != size_of(b) ? size_of(a) > size_of(b) : a < b;
  });
  best.resize(static_cast<size_t>(n_top));
  std::map<int32_t, int64_t> tokens;
  for (const int64_t i : best) {
    facts->top.push_back(example(firings, i));
    const auto [context, position] = events_.place(firings.rows[i]);
    ++tokens[events_.token(context, position)];
  }
  facts->token_entropy = entropy_of(tokens, n_top);
  // Firings by interval, then some of each, of contexts that were not shown.
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(options_.n_intervals));
  const double end = std::abs(facts->largest);
  const auto n_intervals = static_cast<double>(options_.n_intervals);
  for (int64_t i = 0; i < firings.n; ++i) {
    const auto place = static_cast<int64_t>(size_of(i) / end * n_intervals);
    members[static_cast<size_t>(std::min(place, options_.n_intervals - 1))].push_back(i);
  }
  std::unordered_set<int64_t> shown;
  for (const LatentExample& example : facts->top) shown.insert(example.context);
  Draw draw(static_cast<uint64_t>(firings.latent));
  for (int64_t q = options_.n_intervals - 1; q >= 0; --q) {
    std::vector<int64_t>& of = members[static_cast<size_t>(q)];
    ExampleInterval interval;
    interval.low = end * static_cast<double>(q) / n_intervals;
    interval.high = end * static_cast<double>(q + 1) / n_intervals;
    interval.share = static_cast<double>(of.size()) / static_cast<double>(firings.n);
    // Some tries: most firings of a latent may stand in few contexts.
    for (int64_t tries = 0; tries < 4 * options_.n_per_interval && !of.empty(); ++tries) {
      if (static_cast<int64_t>(interval.examples.size()) == options_.n_per_interval) break;
      const int64_t i = of[draw.below(of.size())];
      if (!shown.insert(events_.place(firings.rows[i]).context).second) continue;
      interval.examples.push_back(example(firings, i));
    }
    facts->intervals.push_back(std::move(interval));
  }
}

void FactFinder::add_tokens(const Firings& firings, LatentFacts* facts) {
  struct Sums {
    int64_t n = 0;
    double sum = 0;
    int32_t token = 0;
  };
  std::unordered_map<int32_t, Sums> by_run;
  for (int64_t i = 0; i < firings.n; ++i) {
    const auto [context, position] = events_.place(firings.rows[i]);
    Sums& sums = by_run[runs_.run(1, firings.rows[i])];
    ++sums.n;
    sums.sum += firings.values[i];
    sums.token = events_.token(context, position);
  }
  for (const auto& [run, sums] : by_run) {
    const auto count = static_cast<double>(sums.n);
    FiringToken token;
    token.token = sums.token;
    token.share = count / static_cast<double>(firings.n);
    token.recall = count / runs_.count(1, run);
    token.mean = sums.sum / count;
    facts->selectivity = std::max(facts->selectivity, f1_of(token));
    facts->tokens.push_back(token);
  }
  std::sort(facts->tokens.begin(), facts->tokens.end(), [](const auto& a, const auto& b) {
    return f1_of(a) != f1_of(b) ? f1_of(a) > f1_of(b) : a.token < b.token;
  });
  if (static_cast<int64_t>(facts->tokens.size()) > options_.n_tokens) {
    facts->tokens.resize(static_cast<size_t>(options_.n_tokens));
  }
  for (int length = 1; length <= TokenRuns::kLongest; ++length) {
    facts->lookup[static_cast<size_t>(length - 1)] = lookup_score(
        runs_, length, events_.n_rows(), firings.rows, firings.values, firings.n, &scratch_);
  }
}

// Of rows spread evenly over all that it fires at.
void FactFinder::add_together(const Firings& firings, LatentFacts* facts) {
  const int64_t n = std::min(firings.n, kMostRowsTogether);
  std::vector<int32_t> others;
  for (int64_t i = 0; i < n; ++i) {
    for (const auto& event : events_.of_row(firings.rows[i * firings.n / n])) {
      if (event.latent == firings.latent) continue;
      if (both_[static_cast<size_t>(event.latent)]++ == 0) others.push_back(event.latent);
    }
  }
  for (const int32_t other : others) {
    const double share =
        static_cast<double>(both_[static_cast<size_t>(other)]) / static_cast<double>(n);
    both_[static_cast<size_t>(other)] = 0;
    // n_both / sqrt(n_a n_b) with n_both = share n_a.
    const double ratio =
        static_cast<double>(firings.n) / static_cast<double>(events_.n_fired(other));
    facts->together.emplace_back(other, std::min(1.0, share * std::sqrt(ratio)));
  }
  const auto keep = std::min<size_t>(facts->together.size(), options_.n_together);
  std::partial_sort(facts->together.begin(), facts->together.begin() + keep, facts->together.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  facts->together.resize(keep);
}

LatentFacts FactFinder::find(const LatentRange& range, int64_t latent) {
  const auto place = static_cast<size_t>(latent - range.first);
  const int64_t begin = range.begin.at(place);
  const Firings firings{latent, range.begin.at(place + 1) - begin, range.rows.data() + begin,
                        range.values.data() + begin};
  LatentFacts facts;
  facts.latent = latent;
  facts.n_rows = events_.n_rows();
  facts.n_fired = firings.n;
  facts.density = static_cast<double>(firings.n) / static_cast<double>(events_.n_rows());
  if (firings.n == 0) {
    facts.token_entropy = facts.selectivity = std::nan("");
    facts.lookup.fill(std::nan(""));
    return facts;
  }
  double sum = 0, low = 0, high = 0;
  for (int64_t i = 0; i < firings.n; ++i) {
    const double value = firings.values[i];
    sum += value;
    low = std::min(low, value);
    high = std::max(high, value);
    if (std::abs(value) > std::abs(facts.largest)) facts.largest = value;
  }
  facts.mean = sum / static_cast<double>(firings.n);
  facts.bin_counts.resize(static_cast<size_t>(options_.n_bins), 0);
  const double width = (high - low) / static_cast<double>(options_.n_bins);
  for (int64_t bin = 0; bin <= options_.n_bins; ++bin) {
    facts.bin_edges.push_back(low + width * static_cast<double>(bin));
  }
  for (int64_t i = 0; i < firings.n; ++i) {
    const auto bin = static_cast<int64_t>((firings.values[i] - low) / width);
    ++facts.bin_counts[static_cast<size_t>(std::clamp<int64_t>(bin, 0, options_.n_bins - 1))];
  }
  add_examples(firings, &facts);
  add_tokens(firings, &facts);
  add_together(firings, &facts);
  return facts;
}

}  // namespace weir
