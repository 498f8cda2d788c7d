#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/base/bootstrap.h"
#include "weir/report/report.h"

/// How often a model is right, from n judged answers to each problem.
namespace weir::rl {

/// 1 - C(n - c, k) / C(n, k): the chance that one of k answers, drawn of n without putting back, is
/// among the c right ones (2107.03374). As a product, exact to rounding for any n.
double pass_at_k(int64_t n, int64_t c, int64_t k);

/// The index of the answer that stands for most of the list; of equally many, the one that was seen
/// first. Empty answers do not vote, unless there are no others.
int64_t majority(const std::vector<std::string>& answers);

/// The judged answers to one problem.
struct JudgedProblem {
  std::vector<double> scores;        ///< Of each answer: 1 right, 0 wrong, or between.
  std::vector<std::string> answers;  ///< As the verifier read them.
  int64_t n_right() const;           ///< Scores of 1 (up to rounding).
};

/// Means over problems with bootstrap intervals over problems.
struct EvaluationResult {
  MeanInterval average;  ///< Avg@n: mean score.
  std::vector<int64_t> k;
  std::vector<MeanInterval> pass;  ///< Pass@k for each of k.
  std::vector<MeanInterval> vote;  ///< Maj@k: the majority of the first k answers.
  int64_t n = 0;                   ///< Answers to each problem.
};
/// `k` above n are left out.
EvaluationResult evaluate(const std::vector<JudgedProblem>& problems,
                          const std::vector<int64_t>& k);

/// Two models on the same problems: second minus first, problem by problem.
struct PairedComparison {
  MeanInterval average;            ///< Of mean scores.
  std::vector<MeanInterval> pass;  ///< Of Pass@k.
  /// How often a sum of differences with random signs is as far from 0 (10,000 draws).
  double p = 1;
  bool is_real() const { return average.low > 0 || average.high < 0; }
};
PairedComparison compare(const std::vector<JudgedProblem>& first,
                         const std::vector<JudgedProblem>& second, const std::vector<int64_t>& k);

/// Tables and the ladder of k as curves with bands; `names` of one or two models.
std::vector<Block> evaluation_blocks(const std::vector<std::string>& names,
                                     const std::vector<EvaluationResult>& results);

}  // namespace weir::rl
