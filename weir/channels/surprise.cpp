#include "weir/channels/surprise.h"

#include <cmath>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// tr(G^2) / tr(G)^2 of matrices with singular values [L, H, K].
at::Tensor concentration(const at::Tensor& S) {
  const at::Tensor squares = S.to(at::kDouble).square();
  return squares.square().sum(-1) / squares.sum(-1).square();
}

at::Tensor singular_values(const std::vector<HeadComponents>& layers) {
  std::vector<at::Tensor> S;
  for (const HeadComponents& layer : layers) S.push_back(layer.S);
  return at::stack(S);
}

SimulatedNull summary(const at::Tensor& draws) {
  const auto n = static_cast<double>(draws.numel());
  const double mean = draws.mean().item<double>(), variance = draws.var().item<double>();
  const double fourth = (draws - mean).pow(4).mean().item<double>();
  return {mean, std::sqrt(variance / n), variance, std::sqrt((fourth - variance * variance) / n)};
}

EmpiricalZ standardised(const at::Tensor& writer, bool by_layer) {
  const int64_t n_layers = writer.size(0), n_heads = writer.size(1);
  const at::Tensor table = writer.to(at::kDouble);
  EmpiricalZ found{
      at::zeros({n_layers, n_heads}, at::kDouble), at::ones({n_layers, n_heads}, at::kDouble), {}};
  for (int64_t l2 = 1; l2 < n_layers; ++l2) {
    const at::Tensor below = table.slice(0, 0, l2).select(3, l2).flatten(0, 2);  // [l2 H K, H]
    if (by_layer) {
      found.mean[l2].fill_(below.mean());
      found.sd[l2].fill_(below.std(false));
    } else {
      found.mean[l2].copy_(below.mean(0));
      found.sd[l2].copy_(below.std(0, false));
    }
  }
  found.z = ((table - found.mean) / found.sd).masked_fill(has_path(table, 3).logical_not(), 0);
  return found;
}

}  // namespace

CompositionNull composition_null(const ModelComponents& components, CompositionType type,
                                 int64_t n_dimensions) {
  const auto n = static_cast<double>(n_dimensions);
  CompositionNull null;
  null.mean = 1 / n;
  null.writer_t = concentration(singular_values(components.ov));
  null.reader_t =
      type == CompositionType::kV ? null.writer_t : concentration(singular_values(components.qk));
  const at::Tensor reader = null.reader_t - null.mean, writer = null.writer_t - null.mean;
  null.component_variance = 2 * reader / (n * (n + 2));
  null.head_variance = 2 * writer.unsqueeze(-1).unsqueeze(-1) * reader / ((n - 1) * (n + 2));
  return null;
}

at::Tensor analytic_z_of_components(const at::Tensor& writer, const CompositionNull& null) {
  const at::Tensor squares = writer.to(at::kDouble).square();
  return ((squares - null.mean) / null.component_variance.sqrt())
      .masked_fill(has_path(writer, 3).logical_not(), 0);
}

at::Tensor analytic_z_of_heads(const at::Tensor& head, const CompositionNull& null) {
  return ((head.to(at::kDouble).square() - null.mean) / null.head_variance.sqrt())
      .masked_fill(has_path(head, 2).logical_not(), 0);
}

EmpiricalZ empirical_z(const at::Tensor& writer) { return standardised(writer, false); }
EmpiricalZ empirical_z_within_layer(const at::Tensor& writer) { return standardised(writer, true); }

SimulatedNull simulate_component_null(const at::Tensor& reader_singular_values,
                                      int64_t n_dimensions, int64_t n_draws, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Tensor squares = reader_singular_values.to(at::kDouble).square();
  require(n_dimensions >= squares.numel(), "null: expected at least {} dimensions, got {}",
          squares.numel(), n_dimensions);
  const auto generator = at::detail::createCPUGenerator(seed);
  // The first K coordinates of a random direction lie along the reader's own.
  const at::Tensor v = at::randn({n_draws, n_dimensions}, generator, at::kDouble);
  const at::Tensor along = v.slice(1, 0, squares.numel()).square() / v.square().sum(1, true);
  return summary(at::matmul(along, squares) / squares.sum());
}

SimulatedNull simulate_head_null(const at::Tensor& writer_singular_values,
                                 const at::Tensor& reader_singular_values, int64_t n_dimensions,
                                 int64_t n_draws, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const at::Tensor writer = writer_singular_values.to(at::kDouble).square();
  const at::Tensor reader = reader_singular_values.to(at::kDouble).square();
  const int64_t k = reader.numel();
  const auto generator = at::detail::createCPUGenerator(seed);
  std::vector<at::Tensor> draws;
  for (int64_t i = 0; i < n_draws; ++i) {
    // Random orthonormal directions stand for the writer's; the signs of QR are random enough only
    // when fixed.
    const at::Tensor gauss = at::randn({n_dimensions, writer.numel()}, generator, at::kDouble);
    const at::Tensor turned = std::get<0>(at::linalg_qr(gauss, "reduced"));
    const at::Tensor cosines = turned.slice(0, 0, k).square();  // [K, K]
    draws.push_back(at::dot(reader, at::mv(cosines, writer)) / (writer.sum() * reader.sum()));
  }
  return summary(at::stack(draws));
}

at::Tensor null_p_values(const at::Tensor& squares, double mean, const at::Tensor& variance) {
  const at::Tensor shape = (mean * mean / variance).expand(squares.sizes());
  const at::Tensor scaled = squares.to(at::kDouble) * (mean / variance);
  return at::special_gammaincc(shape.contiguous(), scaled.contiguous());
}

at::Tensor false_discovery(const at::Tensor& p_values, double rate) {
  require(p_values.dim() == 1 && rate > 0 && rate < 1,
          "false discovery: expected p-values [n] and a rate between 0 and 1, got {} and {}",
          c10::str(p_values.sizes()), rate);
  const int64_t n = p_values.numel();
  const at::Tensor found = at::zeros({n}, at::kBool);
  if (n == 0) return found;
  const auto [sorted, order] = p_values.to(at::kDouble).sort();
  const at::Tensor limit = at::arange(1, n + 1, at::kDouble) * (rate / static_cast<double>(n));
  const at::Tensor below = (sorted <= limit).nonzero().flatten();
  if (below.numel() == 0) return found;
  const auto last = below[-1].item<int64_t>();
  return found.index_fill_(0, order.slice(0, 0, last + 1), true);
}

}  // namespace weir
