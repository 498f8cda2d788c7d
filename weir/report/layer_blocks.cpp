#include "weir/report/layer_blocks.h"

#include <utility>

namespace weir {

std::vector<std::string> counted(size_t n) {
  std::vector<std::string> names;
  for (size_t i = 0; i < n; ++i) names.push_back(std::to_string(i));
  return names;
}

HeatMapBlock head_map(const std::string& title, const std::string& value_label,
                      std::vector<std::vector<double>> values) {
  HeatMapBlock map;
  map.title = title;
  map.value_label = value_label;
  map.y_label = "layer";
  map.x_label = "head";
  map.y_ticks = counted(values.size());
  map.x_ticks = counted(values.empty() ? 0 : values.front().size());
  map.diverging = true;
  map.values = std::move(values);
  return map;
}

CurvesBlock layer_curves(const std::string& title, const std::string& y_label,
                         std::vector<Series> series) {
  CurvesBlock curves;
  curves.title = title;
  curves.x_label = "layer";
  curves.y_label = y_label;
  const size_t n_layers = series.empty() ? 0 : series.front().y.size();
  for (size_t layer = 0; layer < n_layers; ++layer) curves.x.push_back(static_cast<double>(layer));
  curves.series = std::move(series);
  return curves;
}

}  // namespace weir
