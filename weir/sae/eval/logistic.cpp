#include "weir/sae/eval/logistic.h"

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <ATen/ATen.h>
#include <linear.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr double kInterceptScale = 1e3;

/// Rows as LIBLINEAR takes them: entries that are not 0, with the constant feature at the end.
struct Rows {
  std::vector<feature_node> nodes;
  std::vector<feature_node*> starts;
  std::vector<double> labels;
};

Rows rows_of(const at::Tensor& x_in, const at::Tensor& y_in, double bias) {
  const at::Tensor x = x_in.detach().to(at::kCPU, at::kDouble).contiguous();
  const at::Tensor y = y_in.detach().to(at::kCPU, at::kDouble).contiguous();
  const int64_t n = x.size(0), f = x.size(1);
  const auto* values = x.data_ptr<double>();
  const auto* labels = y.data_ptr<double>();
  Rows rows;
  rows.nodes.reserve(static_cast<size_t>(x.count_nonzero().item<int64_t>() + 2 * n));
  std::vector<size_t> offsets;
  bool has_class[2] = {false, false};
  for (int64_t i = 0; i < n; ++i) {
    offsets.push_back(rows.nodes.size());
    for (int64_t j = 0; j < f; ++j) {
      const double value = values[i * f + j];
      if (value != 0) rows.nodes.push_back({static_cast<int>(j + 1), value});
    }
    rows.nodes.push_back({static_cast<int>(f + 1), bias});
    rows.nodes.push_back({-1, 0});
    require(labels[i] == 0 || labels[i] == 1, "probe: expected labels 0 and 1, found {}",
            labels[i]);
    has_class[static_cast<int>(labels[i])] = true;
    rows.labels.push_back(labels[i] == 1 ? 1 : -1);
  }
  require(has_class[0] && has_class[1], "probe: expected labels of two classes, found one");
  for (const size_t offset : offsets) rows.starts.push_back(rows.nodes.data() + offset);
  return rows;
}

struct FreeModel {
  void operator()(model* m) const { free_and_destroy_model(&m); }
};

double f1_of(double hits, double found, double present) {
  return found + present == 0 ? 0 : 2 * hits / (found + present);
}

}  // namespace

at::Tensor LinearProbe::decision(const at::Tensor& x) const {
  return x.detach().to(at::kCPU, at::kDouble).matmul(weight) + bias;
}

LinearProbe fit_logistic(const at::Tensor& x, const at::Tensor& y, const LogisticOptions& options) {
  require(x.dim() == 2 && y.numel() == x.size(0), "probe: expected a label for each of {} rows",
          x.size(0));
  // LIBLINEAR prints unless it is told where to.
  static const bool quiet = (set_print_string_function([](const char*) {}), true);
  static_cast<void>(quiet);
  const double scale = options.penalise_intercept ? 1 : kInterceptScale;
  Rows rows = rows_of(x, y, scale);
  const auto n_features = static_cast<int>(x.size(1));
  const problem data{static_cast<int>(x.size(0)), n_features + 1, rows.labels.data(),
                     rows.starts.data(), scale};
  parameter how{};
  how.solver_type = options.l1 ? L1R_LR : L2R_LR;
  how.eps = options.tolerance;
  how.C = options.C;
  int classes[] = {1, -1};
  const double positives = (y != 0).sum().item<double>(), n = static_cast<double>(y.numel());
  double weights[] = {n / (2 * positives), n / (2 * (n - positives))};
  if (options.balanced) {
    how.nr_weight = 2;
    how.weight_label = classes;
    how.weight = weights;
  }
  const std::unique_ptr<model, FreeModel> found(train(&data, &how));
  LinearProbe probe{at::empty({n_features}, at::kDouble), found->w[n_features] * scale};
  std::copy_n(found->w, n_features, probe.weight.data_ptr<double>());
  return probe;
}

ProbeScores score_probe(const at::Tensor& decision_in, const at::Tensor& y_in) {
  const at::Tensor decision = decision_in.to(at::kCPU, at::kDouble);
  const at::Tensor y = y_in.detach().cpu() != 0;
  const at::Tensor predicted = decision > 0;
  const auto count = [](const at::Tensor& where) { return where.sum().item<double>(); };
  const double n = static_cast<double>(y.numel()), positives = count(y);
  const double hits = count(predicted & y), correct_negatives = count(~predicted & ~y);
  ProbeScores scores;
  scores.accuracy = (hits + correct_negatives) / n;
  scores.f1 = f1_of(hits, count(predicted), positives);
  const double f1_negative = f1_of(correct_negatives, count(~predicted), n - positives);
  scores.f1_weighted = (positives * scores.f1 + (n - positives) * f1_negative) / n;
  scores.margin = decision.abs().min().item<double>();
  const at::Tensor above = decision.index({y}).unsqueeze(1);
  const at::Tensor below = decision.index({~y}).unsqueeze(0);
  scores.auc = above.numel() == 0 || below.numel() == 0
                   ? std::numeric_limits<double>::quiet_NaN()
                   : ((above > below).to(at::kDouble) + (above == below).to(at::kDouble) / 2)
                         .mean()
                         .item<double>();
  return scores;
}

}  // namespace weir
