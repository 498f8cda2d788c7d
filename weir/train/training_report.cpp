#include "weir/train/training_report.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

namespace weir {
namespace {

constexpr size_t kPoints = 500;

using Value = std::function<double(const UpdateRecord&)>;

CurvesBlock curve(const std::vector<UpdateRecord>& records, const std::string& title,
                  const std::string& label, const Value& value) {
  CurvesBlock block;
  block.title = title;
  block.x_label = "update";
  block.y_label = label;
  Series series{label, {}};
  const size_t stretch = std::max<size_t>(1, (records.size() + kPoints - 1) / kPoints);
  for (size_t first = 0; first < records.size(); first += stretch) {
    const size_t last = std::min(records.size(), first + stretch);
    double x = 0, y = 0;
    for (size_t i = first; i < last; ++i) {
      x += static_cast<double>(records[i].step);
      y += value(records[i]);
    }
    block.x.push_back(x / static_cast<double>(last - first));
    series.y.push_back(y / static_cast<double>(last - first));
  }
  block.series.push_back(std::move(series));
  return block;
}

std::vector<UpdateRecord> validated(const std::vector<UpdateRecord>& records) {
  std::vector<UpdateRecord> found;
  for (const UpdateRecord& record : records) {
    if (!std::isnan(record.validation_loss)) found.push_back(record);
  }
  return found;
}

// Of figures "A/b" a block for each b, with a series for each A.
std::vector<CurvesBlock> further_curves(const std::vector<UpdateRecord>& records) {
  std::vector<CurvesBlock> blocks;
  for (size_t i = 0; i < records.back().more.size(); ++i) {
    const std::string& name = records.back().more[i].first;
    const size_t slash = name.find('/');
    const std::string figure = slash == std::string::npos ? name : name.substr(slash + 1);
    CurvesBlock block = curve(records, figure, figure, [i](const UpdateRecord& of) {
      return i < of.more.size() ? of.more[i].second : NAN;
    });
    block.series[0].name = slash == std::string::npos ? name : name.substr(0, slash);
    const auto known = std::find_if(blocks.begin(), blocks.end(), [&](const CurvesBlock& other) {
      return other.title == figure;
    });
    if (known == blocks.end()) {
      blocks.push_back(std::move(block));
    } else {
      known->series.push_back(std::move(block.series[0]));
    }
  }
  return blocks;
}

TableBlock summary(const std::vector<UpdateRecord>& records,
                   const std::vector<UpdateRecord>& held_out, const std::string& unit) {
  TableBlock table{"State", {"what", "value"}, {}, ""};
  const UpdateRecord& last = records.back();
  table.rows = {{std::string("updates"), last.step},
                {unit, last.units},
                {std::string("loss of the last update"), fmt::format("{:.4f}", last.loss)},
                {unit + " a second", fmt::format("{:.0f}", last.units_per_second)}};
  if (!held_out.empty()) {
    table.rows.push_back({fmt::format("held-out loss after update {}", held_out.back().step),
                          fmt::format("{:.4f}", held_out.back().validation_loss)});
  }
  return table;
}

}  // namespace

Report training_report(const std::string& title, const std::string& unit,
                       const std::vector<UpdateRecord>& records, const std::string& loss_unit) {
  Report report{title, {}, {}};
  if (records.empty()) {
    report.blocks.push_back(TextBlock{"State", "No update yet."});
    return report;
  }
  const std::vector<UpdateRecord> held_out = validated(records);
  report.blocks.push_back(summary(records, held_out, unit));
  report.blocks.push_back(
      curve(records, "Loss", loss_unit, [](const auto& of) { return of.loss; }));
  if (!held_out.empty()) {
    report.blocks.push_back(curve(held_out, "Held-out loss", loss_unit,
                                  [](const auto& of) { return of.validation_loss; }));
  }
  for (CurvesBlock& block : further_curves(records)) report.blocks.push_back(std::move(block));
  report.blocks.push_back(
      curve(records, "Learning rate", "rate", [](const auto& of) { return of.rate; }));
  report.blocks.push_back(curve(records, "Gradient norm, before clipping", "norm",
                                [](const auto& of) { return of.gradient_norm; }));
  report.blocks.push_back(curve(records, "Throughput", unit + " a second",
                                [](const auto& of) { return of.units_per_second; }));
  return report;
}

}  // namespace weir
