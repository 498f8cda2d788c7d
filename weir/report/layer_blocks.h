#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/report/report.h"

/// Figures over the layers and heads of a model, which every method draws.
namespace weir {

/// "0", "1", ...: ticks of an axis that counts.
std::vector<std::string> counted(size_t n);
/// Layer (up) by head (across); colours centred on zero. `values`: a row for each layer.
HeatMapBlock head_map(const std::string& title, const std::string& value_label,
                      std::vector<std::vector<double>> values);
/// Curves over layers 0, 1, ...; all series are equally long.
CurvesBlock layer_curves(const std::string& title, const std::string& y_label,
                         std::vector<Series> series);

}  // namespace weir
