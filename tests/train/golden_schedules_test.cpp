// The rate of every update against transformers.optimization.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/train/schedule.h"

namespace weir {
namespace {

nlohmann::json table() { return io::read_json(golden_topic("train") / "schedules.json"); }

// What make_train.py asks transformers for under each name.
Schedule schedule_of(const std::string& name, int64_t warmup, int64_t total, double rate) {
  Schedule of;
  of.warmup = warmup;
  of.total = total;
  if (name.rfind("wsd", 0) == 0) {
    of.kind = ScheduleKind::kWsd;
    of.decay = 10;
    of.decay_shape = parse_decay_shape(name.substr(4));
    of.least = of.decay_shape == DecayShape::kCosine ? 0.05 : 0;
  } else if (name == "constant_with_warmup") {
    of.kind = ScheduleKind::kConstant;
  } else if (name == "cosine_min0.1") {
    of.kind = ScheduleKind::kCosine;
    of.least = 0.1;
  } else if (name == "cosine_restarts2") {
    of.kind = ScheduleKind::kCosineRestarts;
    of.cycles = 2;
  } else if (name == "polynomial2") {
    of.kind = ScheduleKind::kPolynomial;
    of.power = 2;
    of.least = 1e-5 / rate;
  } else {
    of.kind = parse_schedule(name);
  }
  return of;
}

TEST(GoldenTrainSchedules, AreThoseOfTransformers) {
  const nlohmann::json all = table();
  const double rate = all["lr"];
  ASSERT_FALSE(all["lr_of_update"].empty());
  for (const auto& [name, rates] : all["lr_of_update"].items()) {
    const Schedule of = schedule_of(name, all["warmup"], all["total"], rate);
    for (size_t step = 0; step < rates.size(); ++step) {
      ASSERT_NEAR(rate * rate_factor(of, static_cast<int64_t>(step)), rates[step].get<double>(),
                  1e-12)
          << name << " " << step;
    }
  }
}

}  // namespace
}  // namespace weir
