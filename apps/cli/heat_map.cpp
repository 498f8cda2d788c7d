#include "apps/cli/heat_map.h"

#include <ATen/ATen.h>

#include "weir/tensor/convert.h"

namespace weir::cli {

HeatMapBlock heat_map(const std::string& title, const std::string& value_label,
                      const at::Tensor& values, const std::string& y_label,
                      const std::vector<std::string>& y_ticks, const std::string& x_label,
                      const std::vector<std::string>& x_ticks) {
  HeatMapBlock map;
  map.title = title;
  map.value_label = value_label;
  map.y_label = y_label;
  map.y_ticks = y_ticks;
  map.x_label = x_label;
  map.x_ticks = x_ticks;
  map.diverging = true;
  for (int64_t row = 0; row < values.size(0); ++row) map.values.push_back(to_doubles(values[row]));
  return map;
}

std::vector<std::string> counted(int64_t n) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < n; ++i) names.push_back(std::to_string(i));
  return names;
}

CurvesBlock layer_curves(const std::string& title, const std::string& y_label,
                         const std::vector<std::pair<std::string, at::Tensor>>& curves) {
  CurvesBlock block;
  block.title = title;
  block.x_label = "layer";
  block.y_label = y_label;
  for (const auto& [name, values] : curves) {
    if (block.x.empty()) {
      for (int64_t l = 0; l < values.numel(); ++l) block.x.push_back(static_cast<double>(l));
    }
    block.series.push_back({name, to_doubles(values)});
  }
  return block;
}

}  // namespace weir::cli
