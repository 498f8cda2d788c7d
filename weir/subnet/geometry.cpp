#include "weir/subnet/geometry.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

constexpr double kMostDropped = 0.01;

void set_angles(LinearMap* map) {
  if (map->coef.size(0) != map->coef.size(1)) return;
  const at::Tensor values = at::linalg_eigvals(map->coef);
  map->angles = std::get<0>((values.angle().abs() * (180 / M_PI)).sort());
  const int64_t n = map->angles.size(0);
  map->median_degrees =
      (map->angles[(n - 1) / 2].item<double>() + map->angles[n / 2].item<double>()) / 2;
  map->mean_magnitude = values.abs().mean().item<double>();
}

/// Cosines between symmetric matrices.
at::Tensor cosines(const std::vector<at::Tensor>& matrices) {
  std::vector<at::Tensor> flat;
  for (const at::Tensor& matrix : matrices) flat.push_back(matrix.flatten() / matrix.norm());
  const at::Tensor all = at::stack(flat);
  return at::matmul(all, all.t());
}

}  // namespace

void RidgeSums::add(const at::Tensor& x_rows, const at::Tensor& y_rows) {
  const at::NoGradGuard no_grad;
  at::Tensor x = x_rows.to(at::kCPU, at::kDouble), y = y_rows.to(at::kCPU, at::kDouble);
  require(x.dim() == 2 && y.dim() == 2 && x.size(0) == y.size(0),
          "ridge: expected as many rows of x and y, got {} and {}", c10::str(x.sizes()),
          c10::str(y.sizes()));
  const at::Tensor finite = x.isfinite().all(1).logical_and(y.isfinite().all(1));
  if (!finite.all().item<bool>()) {
    const at::Tensor index = finite.nonzero().squeeze(1);
    dropped_ += x.size(0) - index.size(0);
    x = x.index_select(0, index);
    y = y.index_select(0, index);
  }
  if (x.size(0) == 0) return;
  if (n_ == 0) {
    shift_x_ = x.mean(0);
    shift_y_ = y.mean(0);
    sum_x_ = at::zeros_like(shift_x_);
    sum_y_ = at::zeros_like(shift_y_);
    yy_ = at::zeros_like(shift_y_);
    xx_ = at::zeros({x.size(1), x.size(1)}, at::kDouble);
    xy_ = at::zeros({x.size(1), y.size(1)}, at::kDouble);
  }
  const at::Tensor dx = x - shift_x_, dy = y - shift_y_;
  n_ += x.size(0);
  sum_x_.add_(dx.sum(0));
  sum_y_.add_(dy.sum(0));
  xx_.addmm_(dx.t(), dx);
  xy_.addmm_(dx.t(), dy);
  yy_.add_(dy.square().sum(0));
}

at::Tensor RidgeSums::scatter() const {
  require(n_ > 0, "ridge: no rows were added");
  return xx_ - at::outer(sum_x_, sum_x_) / static_cast<double>(n_);
}

LinearMap RidgeSums::fit(double alpha) const {
  const at::Tensor sxx = scatter();
  const auto n = static_cast<double>(n_);
  const at::Tensor sxy = xy_ - at::outer(sum_x_, sum_y_) / n;
  const at::Tensor syy = yy_ - sum_y_.square() / n;
  const at::Tensor system = sxx + alpha * at::eye(sxx.size(0), at::kDouble);
  const at::Tensor factor = at::linalg_cholesky(system);
  const at::Tensor coef = at::cholesky_solve(sxy, factor);  // [in, out]
  LinearMap map;
  map.coef = coef.t().contiguous();
  const at::Tensor mean_x = shift_x_ + sum_x_ / n, mean_y = shift_y_ + sum_y_ / n;
  map.intercept = mean_y - at::mv(map.coef, mean_x);
  const at::Tensor residual = syy - 2 * (coef * sxy).sum(0) + (coef * at::matmul(sxx, coef)).sum(0);
  const at::Tensor varies = syy > 0;
  map.r2 = (1 - residual / syy).masked_select(varies).mean().item<double>();
  set_angles(&map);
  return map;
}

StreamGeometry stream_geometry(const LanguageModel& lm, const Weights& weights,
                               const at::Tensor& tokens, const GeometryOptions& options) {
  const at::NoGradGuard no_grad;
  const int64_t n_layers = lm.config().n_layers;
  RunOptions run;
  run.weights = &weights;
  run.logits = LogitsAt::kNone;
  run.cache = CacheOptions{};
  std::vector<std::string> names;
  for (int64_t l = 0; l < n_layers; ++l)
    names.push_back(fmt::format("blocks.{}.hook_resid_pre", l));
  names.push_back(fmt::format("blocks.{}.hook_resid_post", n_layers - 1));
  run.cache->names = names;
  std::vector<RidgeSums> in(names.size()), out(names.size()), second(names.size());
  Progress progress("stream", static_cast<uint64_t>(tokens.size(0)), "rows");
  for (int64_t first = 0; first < tokens.size(0); first += options.batch) {
    const at::Tensor rows = tokens.slice(0, first, first + options.batch).contiguous();
    const RunResult result = lm.run({rows, {}}, run);
    std::vector<at::Tensor> x;
    for (const std::string& name : names) x.push_back(result.cache[name].flatten(0, 1));
    const at::Tensor raw = weights.W_E.lookup(rows.flatten(), at::kDouble);
    for (size_t l = 0; l < names.size(); ++l) {
      in[l].add(x[l], raw);
      out[l].add(x[l], x.back());
      if (options.maps_to_second_to_last) second[l].add(x[l], x[x.size() - 2]);
    }
    progress.advance(static_cast<uint64_t>(rows.size(0)));
  }
  StreamGeometry geometry;
  geometry.n_tokens = out[0].n_rows();
  std::vector<at::Tensor> scatters, reduced;
  for (size_t l = 0; l < names.size(); ++l) {
    require(static_cast<double>(out[l].n_dropped()) <=
                kMostDropped * static_cast<double>(tokens.numel()),
            "geometry: {} of {} vectors of '{}' are not finite", out[l].n_dropped(), tokens.numel(),
            names[l]);
    geometry.to_input.push_back(in[l].fit(options.alpha));
    geometry.to_output.push_back(out[l].fit(options.alpha));
    if (options.maps_to_second_to_last) {
      geometry.to_second_to_last.push_back(second[l].fit(options.alpha));
    }
    const at::Tensor scatter = out[l].scatter();
    const auto [values, vectors] = at::linalg_eigh(scatter);  // Ascending.
    geometry.singular_values.push_back(values.clamp_min(0).sqrt().flip(0));
    const at::Tensor top = vectors.select(1, -1);
    scatters.push_back(scatter);
    reduced.push_back(scatter - values[-1] * at::outer(top, top));
  }
  geometry.similarity = cosines(reduced);
  geometry.similarity_with_top = cosines(scatters);
  return geometry;
}

}  // namespace weir
