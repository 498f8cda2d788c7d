#pragma once

#include <string>
#include <vector>

#include "weir/report/report.h"
#include "weir/train/update_record.h"

namespace weir {

/// The curves of a training: loss (training and held out), rate, gradient norm, throughput. Of long
/// ones each point is the mean of a stretch.
Report training_report(const std::string& title, const std::string& unit,
                       const std::vector<UpdateRecord>& records,
                       const std::string& loss_unit = "nats");

}  // namespace weir
