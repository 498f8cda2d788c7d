#include "weir/subnet/subnet_report.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int64_t kMostPoints = 4000;

}  // namespace

std::vector<Block> place_blocks(const Subnetwork& subnetwork) {
  const std::vector<MatrixCount> counts = active_by_matrix(subnetwork);
  std::vector<std::string> kinds;
  int64_t n_layers = 0;
  for (const MatrixCount& count : counts) {
    const std::string kind = to_string(count.kind);
    if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    n_layers = std::max(n_layers, count.layer + 1);
  }
  HeatMapBlock map;
  map.title = "Where the subnetwork is";
  map.x_label = "matrix";
  map.y_label = "layer";
  map.value_label = "share of the matrix that is kept (%)";
  map.x_ticks = kinds;
  map.y_ticks = counted(static_cast<size_t>(n_layers));
  map.values.assign(static_cast<size_t>(n_layers), std::vector<double>(kinds.size(), NAN));
  TableBlock table{"Kept by matrix",
                   {"matrix", to_string(subnetwork.unit) + "s", "kept", "share", "of all kept"},
                   {},
                   ""};
  const double all = std::max<double>(1, static_cast<double>(subnetwork.active()));
  for (const MatrixCount& count : counts) {
    const auto column = static_cast<size_t>(
        std::find(kinds.begin(), kinds.end(), to_string(count.kind)) - kinds.begin());
    map.values[static_cast<size_t>(count.layer)][column] = 100 * count.share();
    table.rows.push_back({count.block, count.size, count.active, count.share(),
                          static_cast<double>(count.active) / all});
  }
  table.note = fmt::format("{} of {} kept, {:.3g} %", subnetwork.active(), subnetwork.size(),
                           100.0 * static_cast<double>(subnetwork.active()) /
                               std::max<double>(1, static_cast<double>(subnetwork.size())));
  std::vector<Block> blocks;
  blocks.emplace_back(std::move(map));
  blocks.emplace_back(std::move(table));
  return blocks;
}

TableBlock ablation_table(const std::vector<NamedEvaluation>& all, const std::string& target) {
  TableBlock table{"What is left, what is lost",
                   {"weights", "kept", "r to " + target, "rank r", "KL(" + target + " || model)",
                    "loss on the text"},
                   {},
                   ""};
  for (const NamedEvaluation& entry : all) {
    table.rows.push_back({entry.name, entry.active, entry.of.dropped.pearson,
                          entry.of.dropped.spearman, entry.of.kl, entry.of.loss});
  }
  if (!all.empty()) {
    const Correlation& of = all.front().of.dropped;
    table.note = fmt::format(
        "nats; r of surprisals over {} tokens, without {} to which the target gives probability 0",
        of.n, of.infinite);
  }
  return table;
}

ScatterBlock surprisal_scatter(const Evaluation& of, const std::string& target) {
  ScatterBlock plot;
  plot.title = "Surprisals";
  plot.x_label = target + " surprisal (bits)";
  plot.y_label = "subnetwork surprisal (bits)";
  const at::Tensor x = of.target_surprisal.flatten(), y = of.surprisal.flatten();
  const int64_t step = std::max<int64_t>(1, x.numel() / kMostPoints);
  plot.x = to_doubles(x.slice(0, 0, x.numel(), step));
  plot.y = to_doubles(y.slice(0, 0, y.numel(), step));
  return plot;
}

std::vector<Block> training_blocks(const FoundSubnetwork& found) {
  if (found.log.empty()) return {};
  CurvesBlock losses{"Losses", "step", "nats", {}, {}};
  losses.series = {{"KL to the target", {}}, {"with the penalty", {}}};
  CurvesBlock decided{"Mask values", "step", "share (%)", {}, {}};
  decided.series = {{"above 0.9", {}}, {"undecided", {}}, {"mean value", {}}};
  const double size = std::max<double>(1, static_cast<double>(found.mask.size()));
  const size_t every = std::max<size_t>(1, found.log.size() / 1000);
  for (size_t i = 0; i < found.log.size(); i += every) {
    const MaskTrainer::Step& step = found.log[i];
    losses.x.push_back(static_cast<double>(step.step));
    losses.series[0].y.push_back(step.loss.kl);
    losses.series[1].y.push_back(step.loss.kl + step.loss.total - step.loss.cross_entropy);
    decided.series[0].y.push_back(100 * static_cast<double>(step.decided.above) / size);
    decided.series[1].y.push_back(100 * static_cast<double>(step.decided.undecided) / size);
    decided.series[2].y.push_back(100 * step.loss.penalty);
  }
  decided.x = losses.x;
  std::vector<Block> blocks;
  blocks.emplace_back(std::move(losses));
  blocks.emplace_back(std::move(decided));
  return blocks;
}

TableBlock search_table(const std::vector<FoundSubnetwork>& all) {
  TableBlock table{"Subnetworks",
                   {"target", "lambda", "kept", "share", "r", "rank r", "KL", "loss on the text",
                    "steps", "attempt", "stable"},
                   {},
                   "on rows held out; nats"};
  for (const FoundSubnetwork& found : all) {
    const Evaluation& of = found.held_out;
    table.rows.push_back({found.target, fmt::format("{:g}", found.lambda), found.mask.active(),
                          found.share(), of.dropped.pearson, of.dropped.spearman, of.kl, of.loss,
                          static_cast<int64_t>(found.log.size()), found.attempt,
                          std::string(found.stable ? "yes" : "no")});
  }
  return table;
}

TableBlock overlap_table(const Overlap& of, const std::string& a, const std::string& b) {
  TableBlock table{"Shared weights",
                   {"matrix", "weights", a, b, "both", "by chance", "ratio", "z", "p",
                    "by chance (rows)", "z (rows)"},
                   {},
                   "chance: entries drawn at random within each matrix, or its rows shuffled"};
  const auto add = [&](const OverlapCount& count, const std::string& name) {
    table.rows.push_back({name, count.size, count.a, count.b, count.both, count.mean, count.ratio(),
                          count.z(), count.p_at_least, count.row_mean, count.row_z()});
  };
  for (const OverlapCount& count : of.blocks) add(count, count.block);
  add(of.total, "all");
  return table;
}

std::vector<Block> geometry_blocks(const std::vector<std::pair<std::string, StreamGeometry>>& all) {
  std::vector<Series> to_input, to_output;
  std::vector<Block> maps;
  for (const auto& [name, geometry] : all) {
    Series in{name, {}}, out{name, {}};
    for (const LinearMap& map : geometry.to_input) in.y.push_back(map.median_degrees);
    for (const LinearMap& map : geometry.to_output) out.y.push_back(map.median_degrees);
    to_input.push_back(std::move(in));
    to_output.push_back(std::move(out));
    HeatMapBlock map;
    map.title = "Similarity of covariances: " + name;
    map.x_label = map.y_label = "layer";
    map.value_label = "cosine, largest direction left out";
    map.values = to_rows(geometry.similarity);
    map.x_ticks = map.y_ticks = counted(map.values.size());
    map.range = {0, 1};
    maps.emplace_back(std::move(map));
  }
  std::vector<Block> blocks;
  blocks.emplace_back(layer_curves("Rotation to the input embedding",
                                   "median angle of eigenvalues (degrees)", std::move(to_input)));
  blocks.emplace_back(layer_curves("Rotation to the output",
                                   "median angle of eigenvalues (degrees)", std::move(to_output)));
  for (Block& map : maps) blocks.push_back(std::move(map));
  return blocks;
}

}  // namespace weir
