#include "weir/embed/tsne.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/embed/pca.h"
#include "weir/embed/repulsion.h"

namespace weir {
namespace {

constexpr int64_t kExactPoints = 1000;
constexpr double kLeastGain = 0.01;
/// A point moves no further in one step: far apart clusters oscillate without it (as openTSNE).
constexpr double kMostMove = 5;
constexpr int64_t kStepsPerNote = 50;

bool is_exact(TsneMethod method, int64_t n) {
  return method == TsneMethod::kExact || (method == TsneMethod::kAuto && n <= kExactPoints);
}

std::function<Repulsion(const at::Tensor&)> repulsion_of(TsneMethod method, int64_t n) {
  if (is_exact(method, n)) return exact_repulsion;
  return GridRepulsion();
}

/// force_i = sum_j p_ij K_ij (y_i - y_j), and sum_ij p_ij log(1/K_ij).
struct Attraction {
  at::Tensor force;
  double log_kernel = 0;
};

Attraction attraction(const SparseMatrix& p, const at::Tensor& y) {
  const int64_t n = y.size(0);
  const int64_t *offsets = p.offsets.data_ptr<int64_t>(), *columns = p.columns.data_ptr<int64_t>();
  const double *values = p.values.data_ptr<double>(), *at_point = y.data_ptr<double>();
  Attraction found{at::empty({n, 2}, at::kDouble), 0};
  double* force = found.force.data_ptr<double>();
  std::vector<double> logs(n);
  at::parallel_for(0, n, 128, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      double f0 = 0, f1 = 0, log_kernel = 0;
      for (int64_t e = offsets[i]; e < offsets[i + 1]; ++e) {
        const double* other = at_point + 2 * columns[e];
        const double d0 = at_point[2 * i] - other[0], d1 = at_point[2 * i + 1] - other[1];
        const double inverse = 1 + d0 * d0 + d1 * d1;
        f0 += values[e] / inverse * d0;
        f1 += values[e] / inverse * d1;
        log_kernel += values[e] * std::log(inverse);
      }
      force[2 * i] = f0;
      force[2 * i + 1] = f1;
      logs[i] = log_kernel;
    }
  });
  for (double one : logs) found.log_kernel += one;
  return found;
}

/// sum p log p; what is 0 adds nothing.
double negative_entropy(const SparseMatrix& p) {
  return at::xlogy(p.values, p.values).sum().item<double>();
}

at::Tensor start_of(const at::Tensor& x, const TsneOptions& options) {
  const int64_t n = x.size(0);
  at::Tensor y = at::zeros({n, 2}, at::kDouble);
  if (options.start.defined()) {
    require(options.start.dim() == 2 && options.start.size(0) == n && options.start.size(1) == 2,
            "expected a start of [{}, 2] values", n);
    return y.copy_(options.start);
  }
  const int64_t k = std::min<int64_t>(2, std::min(n, x.size(1)));
  const at::Tensor projected = principal_components(x, k).projected;
  const double deviation = projected.select(1, 0).std().item<double>();
  if (deviation > 0) y.slice(1, 0, k).copy_(projected * (1e-4 / deviation));
  Draw draw(options.seed);
  double* values = y.data_ptr<double>();
  for (int64_t i = 0; i < 2 * n; ++i) {
    values[i] += 2e-6 * (static_cast<double>(draw.next() >> 11) * 0x1.0p-53 - 0.5);
  }
  return y;
}

/// Gradient descent with momentum and a gain for each coordinate (Jacobs 1988), which grows while
/// the sign of its gradient stays.
class Descent {
 public:
  explicit Descent(const at::Tensor& y)
      : y_(y), moves_(at::zeros_like(y)), gains_(at::ones_like(y)) {}

  void step(const at::Tensor& gradient, double rate, double momentum) {
    double *y = y_.data_ptr<double>(), *move = moves_.data_ptr<double>(),
           *gain = gains_.data_ptr<double>();
    const double* slope = gradient.data_ptr<double>();
    for (int64_t i = 0; i < y_.size(0); ++i) {
      for (int64_t c = 2 * i; c < 2 * i + 2; ++c) {
        const bool turns = (slope[c] > 0) == (move[c] > 0);
        gain[c] = std::max(kLeastGain, turns ? gain[c] * 0.8 : gain[c] + 0.2);
        move[c] = momentum * move[c] - rate * gain[c] * slope[c];
      }
      const double length = std::hypot(move[2 * i], move[2 * i + 1]);
      const double scale = length > kMostMove ? kMostMove / length : 1;
      for (int64_t c = 2 * i; c < 2 * i + 2; ++c) y[c] += (move[c] *= scale);
    }
    y_.sub_(y_.mean(0, true));
  }

 private:
  at::Tensor y_, moves_, gains_;
};

}  // namespace

SparseMatrix tsne_affinities(const at::Tensor& x, const TsneOptions& options) {
  const int64_t n = x.size(0);
  require(x.dim() == 2 && n >= 4, "expected at least 4 points as rows of a matrix");
  require(options.perplexity > 1 && options.perplexity < static_cast<double>(n - 1),
          "expected a perplexity above 1 and below {} for {} points, found {}", n - 1, n,
          options.perplexity);
  const auto near = static_cast<int64_t>(3 * options.perplexity);
  const int64_t k = is_exact(options.method, n) ? n - 1 : std::min(n - 1, near);
  const Neighbours graph = nearest_neighbours(x, k, options.metric);
  return joint_affinities(graph, conditional_affinities(graph.distance, options.perplexity).p);
}

TsneObjective tsne_objective(const SparseMatrix& p, const at::Tensor& y, TsneMethod method) {
  const at::Tensor points = y.to(at::kDouble).contiguous();
  const Attraction pull = attraction(p, points);
  const Repulsion push = repulsion_of(method, y.size(0))(points);
  const double mass = p.values.sum().item<double>();
  return {negative_entropy(p) + pull.log_kernel + mass * std::log(push.z),
          4 * (pull.force - push.force / push.z)};
}

TsneMap tsne(const at::Tensor& x, const TsneOptions& options) {
  require(options.early_iterations >= 0 && options.iterations >= 0 &&
              options.early_exaggeration > 0 && options.exaggeration > 0 &&
              options.learning_rate >= 0,
          "expected iterations and a rate of at least 0, exaggerations above 0");
  const int64_t n = x.size(0), total = options.early_iterations + options.iterations;
  const SparseMatrix p = tsne_affinities(x, options);
  const auto repulsion = repulsion_of(options.method, n);
  const double constant = negative_entropy(p), mass = p.values.sum().item<double>();
  TsneMap map;
  map.y = start_of(x, options);
  const auto kl_of = [&](const Attraction& pull, double z) {
    return constant + pull.log_kernel + mass * std::log(z);
  };
  Progress progress("t-SNE", static_cast<uint64_t>(total), "iterations");
  Descent early(map.y), late(map.y);
  for (int64_t i = 0; i < total; ++i) {
    const bool is_early = i < options.early_iterations;
    const double factor = is_early ? options.early_exaggeration : options.exaggeration;
    const Attraction pull = attraction(p, map.y);
    const Repulsion push = repulsion(map.y);
    if (i % kStepsPerNote == 0) map.steps.push_back({i, kl_of(pull, push.z)});
    const double rate = options.learning_rate > 0
                            ? options.learning_rate
                            : std::max(200.0, static_cast<double>(n) / factor);
    (is_early ? early : late)
        .step(factor * pull.force - push.force / push.z, rate,
              is_early ? options.early_momentum : options.momentum);
    progress.advance();
  }
  map.kl = kl_of(attraction(p, map.y), repulsion(map.y).z);
  map.steps.push_back({total, map.kl});
  return map;
}

}  // namespace weir
