#pragma once

#include <cstdint>
#include <string>
#include <string_view>

/// Learning rates over the updates of a training. Updates count from 0, and a warm-up starts at 0:
/// update 0 of a warm-up changes nothing. The same numbers as transformers.optimization 5.23.
namespace weir {

enum class ScheduleKind {
  kConstant,
  kLinear,          ///< To 0 at `total`; stays there.
  kCosine,          ///< To `least` at `total`; beyond it the cosine rises again.
  kCosineRestarts,  ///< `cycles` times from 1 to 0; stays at 0.
  kPolynomial,      ///< least + (1 - least) left^power; stays at `least`.
  kInverseSqrt,     ///< sqrt(warmup / step); without a warm-up sqrt(10000 / (step + 10000)).
  kWsd,  ///< Warm-up, stable, decay in the last `decay` updates before `total` (2404.06395).
};
enum class DecayShape { kCosine, kLinear, kOneMinusSqrt };

struct Schedule {
  ScheduleKind kind = ScheduleKind::kConstant;
  int64_t warmup = 0;  ///< Updates in which the factor rises linearly; WSD: from `least`, else 0.
  int64_t total = 0;   ///< The update at which it has come down; constant, inverse sqrt: unused.
  double least = 0;    ///< Of the largest rate.
  double power = 1;    ///< Of the polynomial.
  int64_t cycles = 1;  ///< Of the restarts.
  int64_t decay = 0;   ///< Of WSD: the updates in which it comes down.
  DecayShape decay_shape = DecayShape::kCosine;
};

/// The factor of the largest rate at an update.
double rate_factor(const Schedule& schedule, int64_t step);

/// "constant", "linear", "cosine", "cosine_restarts", "polynomial", "inverse_sqrt", "wsd";
/// "cosine", "linear", "1-sqrt". kInvalidArgument for others, with the list.
ScheduleKind parse_schedule(std::string_view name);
DecayShape parse_decay_shape(std::string_view name);

}  // namespace weir
