#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/report/report.h"

namespace weir::cli {

/// A map [rows, columns] whose colours are centred on zero.
HeatMapBlock heat_map(const std::string& title, const std::string& value_label,
                      const at::Tensor& values, const std::string& y_label,
                      const std::vector<std::string>& y_ticks, const std::string& x_label,
                      const std::vector<std::string>& x_ticks);
/// "0", "1", ...
std::vector<std::string> counted(int64_t n);
/// A curve for each name over layers 0, 1, ...
CurvesBlock layer_curves(const std::string& title, const std::string& y_label,
                         const std::vector<std::pair<std::string, at::Tensor>>& curves);

}  // namespace weir::cli
