#include "apps/cli/embed/points.h"

#include <algorithm>
#include <fstream>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "apps/cli/token_source.h"
#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/embed/pca.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/threads.h"

namespace weir::cli {
namespace {

constexpr int64_t kMostClusters = 64;

std::vector<int64_t> drawn_rows(int64_t n, int64_t sample, uint64_t seed) {
  std::vector<int64_t> rows(n);
  std::iota(rows.begin(), rows.end(), 0);
  if (sample > 0 && sample < n) {
    rows = Draw(seed).pick(std::move(rows), sample);
    std::sort(rows.begin(), rows.end());
  }
  return rows;
}

ScatterBlock colored(ScatterBlock scatter, const at::Tensor& values) {
  const auto distinct = std::get<0>(at::_unique(values));
  const bool is_group = distinct.size(0) <= kMostClusters && values.equal(values.round());
  for (const double value : to_doubles(values)) {
    if (is_group) {
      scatter.groups.push_back(fmt::format("{:.0f}", value));
    } else {
      scatter.values.push_back(value);
    }
  }
  if (!is_group) scatter.value_label = "color";
  return scatter;
}

}  // namespace

void add_point_source(Verb& verb, PointSource& source) {
  verb.option("--data", &source.data, "F[:KEY]", "The points: rows of a matrix (\"x\")")
      .required()
      .choice("--metric", &source.metric, {"euclidean", "cosine"}, "What is near")
      .option("--sample", &source.sample, "N", "So many rows, drawn by --seed; 0: all", {0})
      .option("--active", &source.active, "SHARE",
              "Only columns above 0 in more than this share of the rows; 0: all", {0, 1})
      .option("--pca", &source.pca, "K", "Reduced to K principal components first; 0: not", {0})
      .option("--seed", &source.seed, "N", "What is drawn")
      .option("--threads", &source.threads, "N", "CPU threads; 0: all", {0});
}

Metric metric_of(const std::string& name) {
  return name == "cosine" ? Metric::kCosine : Metric::kEuclidean;
}

Points read_points(const PointSource& source) {
  set_threads(source.threads);
  at::Tensor all = read_named(source.data, "x");
  require(all.dim() >= 2, "expected points as rows of a matrix in {}, found {} dimensions",
          source.data, all.dim());
  all = all.reshape({-1, all.size(-1)});
  const std::vector<int64_t> rows = drawn_rows(all.size(0), source.sample, source.seed);
  Points points;
  points.rows = at::tensor(rows, at::kLong);
  points.x = all.index_select(0, points.rows).to(at::kDouble);
  if (source.active > 0) {
    const at::Tensor share = (points.x > 0).to(at::kDouble).mean(0);
    points.x = points.x.index_select(1, at::nonzero(share > source.active).squeeze(1));
    require(points.x.size(1) > 0, "no column is above 0 in more than {} of the rows",
            source.active);
  }
  points.n_columns = points.x.size(1);
  if (source.pca > 0 && source.pca < std::min(points.x.size(0), points.x.size(1))) {
    points.x = principal_components(points.x, source.pca).projected;
  }
  return points;
}

void add_point_looks(Verb& verb, PointLooks& looks) {
  verb.option("--color", &looks.color, "F[:KEY]",
              "Colours: a number a row, or several (a tab each); whole ones are clusters")
      .option("--names", &looks.names, "FILE", "What each row is called: a line a row");
}

PointColors read_looks(const PointLooks& looks, const Points& points) {
  PointColors colors;
  const int64_t most = points.rows.max().item<int64_t>() + 1;
  if (!looks.color.empty()) {
    at::Tensor values = read_named(looks.color, "labels").to(at::kDouble);
    if (values.dim() == 1) values = values.unsqueeze(1);
    require(values.dim() == 2 && values.size(0) >= most,
            "expected a colour for each of {} rows in {}, found {}", most, looks.color,
            values.size(0));
    colors.values = values.index_select(0, points.rows);
  }
  std::vector<std::string> names;
  if (!looks.names.empty()) {
    std::ifstream file(looks.names);
    require(file.good(), "cannot read {}", looks.names);
    for (std::string line; std::getline(file, line);) names.push_back(line);
    require(static_cast<int64_t>(names.size()) >= most,
            "expected a name for each of {} rows in {}, found {} lines", most, looks.names,
            names.size());
  }
  for (int64_t i = 0; i < points.rows.size(0); ++i) {
    const auto row = points.rows[i].item<int64_t>();
    colors.labels.push_back(names.empty() ? fmt::format("row {}", row)
                                          : fmt::format("{}: {}", row, names[row]));
  }
  return colors;
}

Block scatter_of(const std::string& title, const at::Tensor& y, const PointColors& colors,
                 const std::string& x_label, const std::string& y_label) {
  ScatterBlock scatter{
      title,        x_label, y_label, to_doubles(y.select(1, 0)), to_doubles(y.select(1, 1)),
      colors.labels};
  if (!colors.values.defined()) return scatter;
  if (colors.values.size(1) == 1) return colored(scatter, colors.values.select(1, 0));
  GroupBlock tabs{title, {}, false, true};
  for (int64_t c = 0; c < colors.values.size(1); ++c) {
    ScatterBlock tab = colored(scatter, colors.values.select(1, c));
    tab.title = fmt::format("colour {}", c);
    tabs.blocks.emplace_back(std::move(tab));
  }
  return tabs;
}

at::Tensor clusters_of(const PointColors& colors) {
  if (!colors.values.defined()) return {};
  const at::Tensor first = colors.values.select(1, 0);
  const int64_t n_clusters = std::get<0>(at::_unique(first)).size(0);
  const bool are_clusters = first.equal(first.round()) && n_clusters >= 2 &&
                            n_clusters <= std::min(kMostClusters, first.size(0) - 1);
  return are_clusters ? first.to(at::kLong) : at::Tensor();
}

}  // namespace weir::cli
