#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "weir/base/bootstrap.h"
#include "weir/sae/eval/suite.h"

/// Dictionaries against each other, with what reseeding alone would change. An arm is one way of
/// training; its seeds are what is replicated, so intervals and verdicts are over seeds. With one
/// seed an arm has only the interval of the text it was measured on, and nothing can be said of
/// reseed noise.
namespace weir {

/// 97.5 % point of Student's t with `n` degrees of freedom (n >= 1).
double student_t(int64_t n);

struct ArmValue {
  std::vector<double> by_seed;
  /// Over seeds: mean -+ t s / sqrt(n); with one seed the bootstrap over prompts, where there is
  /// one.
  MeanInterval interval;
  double deviation = 0;  ///< Of seeds, with n - 1; NaN for one.
};

/// b - a.
struct ArmDifference {
  double difference = 0;
  /// -+ t s sqrt(1/n_a + 1/n_b), s pooled over both arms' seeds, n_a + n_b - 2 degrees of freedom.
  double half_width = 0;
  /// Share of all ways to deal the seeds to the two arms whose means lie as far apart or farther
  /// (exact, two-sided); NaN where there is only one way.
  double p_permutation = 0;
  enum class Verdict {
    kDiffers,  ///< The interval leaves 0 out.
    kNoise,    ///< Within reseed noise.
    kUnknown,  ///< Fewer than two seeds in both arms together beyond one each.
  } verdict = Verdict::kUnknown;
  /// One seed each: paired by prompt (the same text), what the text alone leaves open.
  MeanInterval on_text;
};
const char* to_string(ArmDifference::Verdict verdict);

ArmValue arm_value(std::vector<double> by_seed);
ArmDifference arm_difference(const std::vector<double>& a, const std::vector<double>& b);

struct ComparedArm {
  std::string name;
  std::vector<SuiteResult> seeds;
};
struct ComparedMetric {
  std::string key;
  std::vector<ArmValue> arms;
  std::vector<ArmDifference> differences;  ///< Of every arm from the first; [0] is of no meaning.
};
/// Metrics that all seeds of all arms have, in the order of `headline`. kInvalidArgument for fewer
/// than two arms or an arm without dictionaries.
std::vector<ComparedMetric> compare(const std::vector<ComparedArm>& arms, uint64_t seed = 0);

}  // namespace weir
