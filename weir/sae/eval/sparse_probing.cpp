#include "weir/sae/eval/sparse_probing.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

constexpr int64_t kFolds = 6, kLeastForOneSplit = 128, kMostValidated = 100;
constexpr int kStrengths = 10;

at::Tensor is_positive(const at::Tensor& y) { return y.detach().cpu() != 0; }

struct Split {
  at::Tensor train, validation;  ///< int64: rows
};

std::vector<Split> splits_of(const at::Tensor& y) {
  const int64_t n = y.numel();
  if (n >= kLeastForOneSplit) {
    const int64_t n_train = n - std::min(n / 5, kMostValidated);
    return {{at::arange(n_train, at::kLong), at::arange(n_train, n, at::kLong)}};
  }
  const at::Tensor positive = is_positive(y).to(at::kLong);
  const at::Tensor rank = at::where(positive == 1, positive.cumsum(0), (1 - positive).cumsum(0));
  std::vector<Split> splits;
  for (int64_t fold = 0; fold < kFolds; ++fold) {
    const at::Tensor held_out = rank.remainder(kFolds) == fold;
    splits.push_back({(~held_out).nonzero().flatten(), held_out.nonzero().flatten()});
  }
  return splits;
}

double validation_auc(const at::Tensor& x, const at::Tensor& y, const std::vector<Split>& splits,
                      const LogisticOptions& options) {
  double sum = 0;
  int64_t n = 0;
  for (const Split& split : splits) {
    const at::Tensor labels = y.index_select(0, split.train);
    const double positives = is_positive(labels).sum().item<double>();
    if (positives == 0 || positives == static_cast<double>(labels.numel())) continue;
    const LinearProbe probe = fit_logistic(x.index_select(0, split.train), labels, options);
    const double auc = score_probe(probe.decision(x.index_select(0, split.validation)),
                                   y.index_select(0, split.validation))
                           .auc;
    if (std::isnan(auc)) continue;
    sum += auc;
    ++n;
  }
  require(n > 0, "probe: expected both classes among {} rows to validate with", y.numel());
  return sum / static_cast<double>(n);
}

SparseProbe fit(const ProbeSet& set, const at::Tensor& latents, const LogisticOptions& options) {
  const at::Tensor x = set.x.index_select(1, latents);
  SparseProbe result{latents, fit_logistic(x, set.y, options), options.C, {}, 0, 0};
  result.test = score_probe(result.probe.decision(set.x_test.index_select(1, latents)), set.y_test);
  result.train_accuracy = score_probe(result.probe.decision(x), set.y).accuracy;
  return result;
}

}  // namespace

at::Tensor mean_difference(const at::Tensor& x_in, const at::Tensor& y) {
  require(x_in.dim() == 2 && x_in.size(0) == y.numel(),
          "mean difference: expected a label for each of {} rows", x_in.size(0));
  const at::Tensor x = x_in.detach().to(at::kCPU, at::kDouble), positive = is_positive(y);
  return x.index({positive}).mean(0) - x.index({~positive}).mean(0);
}

at::Tensor normalised_mean_difference(const at::Tensor& x_in, const at::Tensor& y) {
  const at::Tensor x = x_in.detach().to(at::kCPU, at::kDouble);
  const at::Tensor n = (x != 0).sum(0).clamp_min(1);
  const at::Tensor scale = x.abs().sum(0) / n;
  return mean_difference(x, y) / at::where(scale > 0, scale, 1.0);
}

at::Tensor top_by_magnitude(const at::Tensor& difference, int64_t k) {
  require(k >= 1 && k <= difference.numel(), "probe: expected k from 1 to {}, got {}",
          difference.numel(), k);
  return std::get<1>(difference.abs().sort(/*stable=*/true, /*dim=*/0, /*descending=*/true))
      .slice(0, 0, k);
}

SparseProbe sparse_probe(const ProbeSet& set, int64_t k) {
  const at::Tensor top = top_by_magnitude(mean_difference(set.x, set.y), k);
  return fit(set, std::get<0>(top.sort()), {});
}

SparseProbe tuned_sparse_probe(const ProbeSet& set, int64_t k, bool l1) {
  const at::Tensor latents = top_by_magnitude(normalised_mean_difference(set.x, set.y), k);
  const at::Tensor x = set.x.index_select(1, latents);
  const std::vector<Split> splits = splits_of(set.y);
  LogisticOptions options, best;
  options.l1 = l1;
  double best_auc = -1;
  for (int i = 0; i < kStrengths; ++i) {
    options.C = std::pow(10.0, 5 - 10.0 * i / (kStrengths - 1));
    const double auc = validation_auc(x, set.y, splits, options);
    if (auc > best_auc) {
      best_auc = auc;
      best = options;
    }
  }
  SparseProbe result = fit(set, latents, best);
  result.validation_auc = best_auc;
  return result;
}

}  // namespace weir
