#include "weir/recall/least_squares.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

// A part varies when its centred square sum exceeds this share of the largest one, ...
constexpr double kLeastShare = 1e-20;
// ... and the square of this share of its own size: what rounding of float32 and float64 leaves.
constexpr double kRoundingSingle = 1e-6, kRoundingDouble = 1e-14;
// Beyond this a solution by elimination has no digits left.
constexpr double kSingular = 1e14;

at::Tensor submatrix(const at::Tensor& square, const at::Tensor& live) {
  return square.index_select(0, live).index_select(1, live);
}

// Sums of each group apart.
std::vector<PartsSums> sums_of_groups(const at::Tensor& c, const at::Tensor& m,
                                      const at::Tensor& group) {
  require(group.dim() == 1 && group.size(0) == c.size(0),
          "decomposition: expected a group for each of {} prompts, got {}", c.size(0),
          group.numel());
  std::vector<PartsSums> sums(group.max().item<int64_t>() + 1);
  for (size_t s = 0; s < sums.size(); ++s) {
    const at::Tensor rows = (group == static_cast<int64_t>(s)).nonzero().squeeze(1);
    require(rows.numel() > 0, "decomposition: group {} has no prompts", s);
    sums[s].add(c.index_select(0, rows), m.index_select(0, rows));
  }
  return sums;
}

at::Tensor residuals(const PartsFit& fit, const at::Tensor& c, const at::Tensor& m) {
  return m.to(at::kDouble) - at::matmul(fit.w, c.to(at::kDouble)) - fit.b;
}

}  // namespace

void PartsSums::add(const at::Tensor& c_in, const at::Tensor& m_in) {
  require(c_in.dim() == 3 && m_in.dim() == 2 && c_in.size(0) == m_in.size(0) &&
              c_in.size(2) == m_in.size(1) && c_in.size(0) > 0,
          "decomposition: expected parts [N, J, D] of outputs [N, D], got {} of {}",
          c10::str(c_in.sizes()), c10::str(m_in.sizes()));
  const at::Tensor c = c_in.to(at::kDouble), m = m_in.to(at::kDouble);
  PartsSums batch;
  batch.n_ = c.size(0);
  batch.is_single_ = c_in.scalar_type() != at::kDouble;
  batch.mean_c_ = c.mean(0);
  batch.mean_m_ = m.mean(0);
  const at::Tensor flat = (c - batch.mean_c_).transpose(0, 1).flatten(1);  // [J, N D]
  const at::Tensor target = (m - batch.mean_m_).flatten();
  batch.G_ = at::mm(flat, flat.t());
  batch.h_ = at::mv(flat, target);
  batch.squares_ = at::dot(target, target);
  batch.size_ = c.square().sum(at::IntArrayRef({0, 2}));
  merge(batch);
}

void PartsSums::merge(const PartsSums& other) {
  if (other.n_ == 0) return;
  if (n_ == 0) {
    *this = other;
    return;
  }
  const auto n = static_cast<double>(n_), n_other = static_cast<double>(other.n_);
  const double both = n * n_other / (n + n_other), share = n_other / (n + n_other);
  const at::Tensor dc = other.mean_c_ - mean_c_, dm = other.mean_m_ - mean_m_;
  // New tensors: copies of these sums share the old ones.
  G_ = G_ + other.G_ + both * at::mm(dc, dc.t());
  h_ = h_ + other.h_ + both * at::mv(dc, dm);
  squares_ = squares_ + other.squares_ + both * at::dot(dm, dm);
  size_ = size_ + other.size_;
  mean_c_ = mean_c_ + share * dc;
  mean_m_ = mean_m_ + share * dm;
  is_single_ = is_single_ || other.is_single_;
  n_ += other.n_;
}

PartsFit PartsSums::fit(double ridge) const {
  require(n_ > 1, "decomposition: expected at least two prompts, got {}", n_);
  const int64_t n_parts = G_.size(0), d = mean_m_.size(0);
  const double rounding = is_single_ ? kRoundingSingle : kRoundingDouble;
  const at::Tensor varies =
      G_.diagonal() > at::clamp_min(size_ * (rounding * rounding),
                                    kLeastShare * G_.diagonal().max().item<double>());
  PartsFit fit;
  for (int64_t j = 0; j < n_parts; ++j) {
    if (!varies[j].item<bool>()) fit.dropped.push_back(j);
  }
  const at::Tensor live = varies.nonzero().squeeze(1);
  fit.G = G_;
  fit.h = h_;
  fit.w = at::zeros({n_parts}, at::kDouble);
  fit.se = at::zeros({n_parts}, at::kDouble);
  const double tss = squares_.item<double>();
  double rss = tss;
  at::Tensor inverse;
  if (live.numel() > 0) {
    const at::Tensor G = submatrix(G_, live), h = h_.index_select(0, live);
    const at::Tensor penalised = G + ridge * at::eye(live.numel(), at::kDouble);
    const at::Tensor size = at::linalg_eigvalsh(G);
    fit.condition = (size[-1] / at::clamp_min(size[0], 1e-300)).item<double>();
    inverse = fit.condition > kSingular && ridge == 0
                  ? at::linalg_pinv(penalised, 1e-13, /*hermitian=*/true)
                  : at::linalg_inv(penalised);
    const at::Tensor w = fit.condition > kSingular && ridge == 0 ? at::mv(inverse, h)
                                                                 : at::linalg_solve(penalised, h);
    fit.w.index_copy_(0, live, w);
    rss = tss - 2 * at::dot(w, h).item<double>() + at::dot(w, at::mv(G, w)).item<double>();
    rss = std::max(rss, 0.0);
  }
  fit.g = 1 + fit.w;
  fit.b = mean_m_ - at::matmul(fit.w, mean_c_);
  fit.r2 = tss > 0 ? 1 - rss / tss : 0;
  const auto freedom = static_cast<double>(n_ * d - live.numel() - d);
  fit.sigma2 = rss / std::max(freedom, 1.0);
  if (inverse.defined()) fit.se.index_copy_(0, live, (fit.sigma2 * inverse.diagonal()).sqrt());
  return fit;
}

at::Tensor r2_by_coordinate(const PartsFit& fit, const at::Tensor& c, const at::Tensor& m) {
  const at::Tensor target = m.to(at::kDouble);
  return 1 - residuals(fit, c, m).square().sum(0) / (target - target.mean(0)).square().sum(0);
}

HeldOut leave_one_group_out(const at::Tensor& c, const at::Tensor& m, const at::Tensor& group,
                            double ridge) {
  const std::vector<PartsSums> sums = sums_of_groups(c, m, group);
  require(sums.size() > 1, "decomposition: held-out R^2 needs two groups, got one");
  HeldOut held_out;
  std::vector<at::Tensor> weights;
  double rss = 0, tss = 0, tss_own = 0;
  for (size_t s = 0; s < sums.size(); ++s) {
    PartsSums others;
    for (size_t other = 0; other < sums.size(); ++other) {
      if (other != s) others.merge(sums[other]);
    }
    const PartsFit fit = others.fit(ridge);
    const at::Tensor rows = (group == static_cast<int64_t>(s)).nonzero().squeeze(1);
    const at::Tensor target = m.index_select(0, rows).to(at::kDouble);
    rss += residuals(fit, c.index_select(0, rows), target).square().sum().item<double>();
    tss += (target - others.mean_m()).square().sum().item<double>();
    tss_own += (target - target.mean(0)).square().sum().item<double>();
    weights.push_back(fit.w);
  }
  held_out.w = at::stack(weights);
  held_out.r2 = 1 - rss / tss;
  // One prompt a group has no variation about its own mean.
  held_out.r2_own_mean = tss_own > 0 ? 1 - rss / tss_own : NAN;
  return held_out;
}

at::Tensor bootstrap_weights(const at::Tensor& c, const at::Tensor& m, const at::Tensor& group,
                             const at::Tensor& draws, double ridge) {
  const std::vector<PartsSums> sums = sums_of_groups(c, m, group);
  std::vector<at::Tensor> weights;
  for (int64_t r = 0; r < draws.size(0); ++r) {
    PartsSums drawn;
    for (int64_t i = 0; i < draws.size(1); ++i) drawn.merge(sums.at(draws[r][i].item<int64_t>()));
    weights.push_back(drawn.fit(ridge).w);
  }
  return at::stack(weights);
}

ScalarFit ordinary_least_squares(const at::Tensor& x_in, const at::Tensor& y_in) {
  const at::Tensor x = x_in.to(at::kDouble), y = y_in.to(at::kDouble);
  const at::Tensor centred = x - x.mean(0), target = y - y.mean();
  const at::Tensor inverse = at::linalg_pinv(centred);  // [J, N]
  ScalarFit fit;
  fit.w = at::mv(inverse, target);
  fit.intercept = (y.mean() - at::dot(fit.w, x.mean(0))).item<double>();
  const double rss = (target - at::mv(centred, fit.w)).square().sum().item<double>();
  const double tss = target.square().sum().item<double>();
  fit.r2 = 1 - rss / tss;
  const auto freedom = static_cast<double>(x.size(0) - x.size(1) - 1);
  fit.se = (rss / std::max(freedom, 1.0) * inverse.square().sum(1)).sqrt();
  return fit;
}

}  // namespace weir
