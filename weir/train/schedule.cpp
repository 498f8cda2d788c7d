#include "weir/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr int64_t kTimescale = 10000;  // Of the inverse square root, where no warm-up gives one.

double ratio(int64_t part, int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(std::max<int64_t>(1, whole));
}

double half_cosine(double done) { return (1 + std::cos(kPi * done)) / 2; }

double between(double least, double share) { return least + (1 - least) * share; }

double decayed(DecayShape shape, double done) {
  switch (shape) {
    case DecayShape::kLinear:
      return 1 - done;
    case DecayShape::kOneMinusSqrt:
      return 1 - std::sqrt(done);
    case DecayShape::kCosine:
      break;
  }
  return std::max(0.0, half_cosine(done));
}

double wsd(const Schedule& of, int64_t step) {
  if (step < of.warmup) return between(of.least, ratio(step, of.warmup));
  if (step < of.total - of.decay) return 1;
  if (step >= of.total) return of.least;
  return between(of.least, decayed(of.decay_shape, ratio(step - of.total + of.decay, of.decay)));
}

double inverse_sqrt(const Schedule& of, int64_t step) {
  const int64_t scale = of.warmup > 0 ? of.warmup : kTimescale;
  return 1 / std::sqrt(ratio(step + scale - of.warmup, scale));
}

template <typename Kind>
Kind named(const std::map<std::string, Kind, std::less<>>& known, const char* what,
           std::string_view name) {
  const auto found = known.find(name);
  if (found != known.end()) return found->second;
  std::string list;
  for (const auto& [key, kind] : known) list += (list.empty() ? "" : ", ") + key;
  fail(ErrorCode::kInvalidArgument, "{}: expected one of {}; found '{}'", what, list, name);
}

}  // namespace

double rate_factor(const Schedule& of, int64_t step) {
  if (of.kind == ScheduleKind::kWsd) return wsd(of, step);
  if (step < of.warmup) return ratio(step, of.warmup);
  const double done = ratio(step - of.warmup, of.total - of.warmup);
  switch (of.kind) {
    case ScheduleKind::kLinear:
      return std::max(0.0, ratio(of.total - step, of.total - of.warmup));
    case ScheduleKind::kCosine:
      return std::max(0.0, between(of.least, half_cosine(done)));
    case ScheduleKind::kCosineRestarts:
      if (done >= 1) return 0;
      return std::max(0.0, half_cosine(std::fmod(static_cast<double>(of.cycles) * done, 1.0)));
    case ScheduleKind::kPolynomial:
      return step > of.total ? of.least : between(of.least, std::pow(1 - done, of.power));
    case ScheduleKind::kInverseSqrt:
      return inverse_sqrt(of, step);
    default:
      return 1;
  }
}

ScheduleKind parse_schedule(std::string_view name) {
  return named<ScheduleKind>({{"constant", ScheduleKind::kConstant},
                              {"linear", ScheduleKind::kLinear},
                              {"cosine", ScheduleKind::kCosine},
                              {"cosine_restarts", ScheduleKind::kCosineRestarts},
                              {"polynomial", ScheduleKind::kPolynomial},
                              {"inverse_sqrt", ScheduleKind::kInverseSqrt},
                              {"wsd", ScheduleKind::kWsd}},
                             "schedule", name);
}

DecayShape parse_decay_shape(std::string_view name) {
  return named<DecayShape>({{"cosine", DecayShape::kCosine},
                            {"linear", DecayShape::kLinear},
                            {"1-sqrt", DecayShape::kOneMinusSqrt}},
                           "decay shape", name);
}

}  // namespace weir
