#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir {

/// One update, as metrics.jsonl has it: {"step", UNIT, "loss", "lr", "grad_norm",
/// UNIT_per_second}, and "validation_loss" where it was asked for.
struct UpdateRecord {
  int64_t step = 0;   ///< Updates done, this one included.
  int64_t units = 0;  ///< Tokens (or whatever is counted) until here.
  double loss = 0, rate = 0, gradient_norm = 0, units_per_second = 0;
  double validation_loss = NAN;  ///< After this update; NaN: not asked.
  /// What else the training tells, by name ("more" of the line).
  std::vector<std::pair<std::string, double>> more = {};
};

/// `unit`: "tokens".
nlohmann::ordered_json to_line(const UpdateRecord& record, const std::string& unit);
/// kCorruptData for a line that is none of such a training.
UpdateRecord record_of(const nlohmann::json& line, const std::string& unit);

}  // namespace weir
