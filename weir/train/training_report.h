#pragma once

#include <string>
#include <vector>

#include "weir/report/report.h"

namespace weir {

/// One update, as metrics.jsonl has it.
struct UpdateRecord {
  int64_t step = 0;   ///< Updates done, this one included.
  int64_t units = 0;  ///< Tokens (or whatever is counted) until here.
  double loss = 0, rate = 0, gradient_norm = 0, units_per_second = 0;
  double validation_loss = NAN;  ///< After this update; NaN: not asked.
};

/// The curves of a training: loss (training and held out), rate, gradient norm, throughput. Of long
/// ones each point is the mean of a stretch.
Report training_report(const std::string& title, const std::string& unit,
                       const std::vector<UpdateRecord>& records);

}  // namespace weir
