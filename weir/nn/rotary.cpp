#include "weir/nn/rotary.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/base/error.h"
#include "weir/nn/kernel_use.h"
#include "weir/tensor/half_precision.h"
#include "weir/tensor/hand_gradient.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir {
namespace {

constexpr double kTwoPi = 6.283185307179586;

std::vector<double> plain_frequencies(double theta, int64_t n_dims) {
  std::vector<double> frequencies(n_dims / 2);
  for (size_t i = 0; i < frequencies.size(); ++i) {
    frequencies[i] = std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(n_dims));
  }
  return frequencies;
}

// NTK-aware: the base grows with the length, beyond the trained context.
double dynamic_theta(const RotaryConfig& c, int64_t length) {
  const double longest = static_cast<double>(std::max(length, c.original_context));
  const double stretch =
      c.factor * longest / static_cast<double>(c.original_context) - (c.factor - 1);
  return c.theta * std::pow(stretch, static_cast<double>(c.n_dims) / (c.n_dims - 2.0));
}

// Long wavelengths are stretched, short ones kept, those between blended.
void scale_llama3(const RotaryConfig& c, std::vector<double>& frequencies) {
  const double context = static_cast<double>(c.original_context);
  for (double& frequency : frequencies) {
    const double wavelength = kTwoPi / frequency;
    if (wavelength < context / c.high_freq_factor) continue;
    if (wavelength > context / c.low_freq_factor) {
      frequency /= c.factor;
      continue;
    }
    const double smooth =
        (context / wavelength - c.low_freq_factor) / (c.high_freq_factor - c.low_freq_factor);
    frequency = (1 - smooth) * frequency / c.factor + smooth * frequency;
  }
}

void scale_yarn(const RotaryConfig& c, std::vector<double>& frequencies) {
  const double n = static_cast<double>(c.n_dims);
  const auto correction_dim = [&](double rotations) {
    return n * std::log(static_cast<double>(c.original_context) / (rotations * kTwoPi)) /
           (2 * std::log(c.theta));
  };
  double low = correction_dim(c.beta_fast);
  double high = correction_dim(c.beta_slow);
  if (c.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, n - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0);
    frequencies[i] = frequencies[i] / c.factor * ramp + frequencies[i] * (1 - ramp);
  }
}

double yarn_mscale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

double attention_factor(const RotaryConfig& c) {
  if (c.attention_factor) return *c.attention_factor;
  if (c.scaling == "yarn") {
    if (c.mscale && c.mscale_all_dim && *c.mscale != 0 && *c.mscale_all_dim != 0) {
      return yarn_mscale(c.factor, *c.mscale) / yarn_mscale(c.factor, *c.mscale_all_dim);
    }
    return yarn_mscale(c.factor, 1.0);
  }
  if (c.scaling == "longrope" && c.factor > 1) {
    return std::sqrt(1 + std::log(c.factor) / std::log(static_cast<double>(c.original_context)));
  }
  return 1;
}

at::Tensor rotate_half(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const int64_t half = x.size(-1) / 2;
  const at::Tensor a = x.slice(-1, 0, half), b = x.slice(-1, half);
  return at::cat({a * cos - b * sin, b * cos + a * sin}, -1);
}

at::Tensor rotate_half_by_kernel(const at::Tensor& x, const RotaryTables& tables, int64_t n_dims) {
  constexpr int64_t kWorthAThread = 1 << 15;  // Elements
  at::Tensor out = x.clone();
  const int64_t n_positions = x.size(1), n_heads = x.size(2), d_head = x.size(3);
  const bool by_row = tables.cos.dim() == 3 && tables.cos.size(0) > 1;
  at::parallel_for(
      0, x.size(0) * n_positions, std::max<int64_t>(1, kWorthAThread / (n_heads * d_head)),
      [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t offset = (by_row ? i / n_positions * tables.cos.stride(0) : 0) +
                                 i % n_positions * tables.cos.stride(-2);
          for (int64_t head = 0; head < n_heads; ++head) {
            kernels::best().rotate_half(out.data_ptr<float>() + (i * n_heads + head) * d_head,
                                        n_dims, tables.cos.data_ptr<float>() + offset,
                                        tables.sin.data_ptr<float>() + offset);
          }
        }
      });
  return out;
}

at::Tensor rotate_adjacent(const at::Tensor& x, const at::Tensor& cos, const at::Tensor& sin) {
  const at::Tensor a = x.slice(-1, 0, x.size(-1), 2), b = x.slice(-1, 1, x.size(-1), 2);
  return at::stack({a * cos - b * sin, b * cos + a * sin}, -1).flatten(-2);
}

at::Tensor composed_rotation(const at::Tensor& x, const RotaryTables& tables,
                             const RotaryConfig& config) {
  // Tables [T, r] or [B, T, r] gain a head axis.
  const at::Tensor cos = tables.cos.unsqueeze(-2).to(x.scalar_type());
  const at::Tensor sin = tables.sin.unsqueeze(-2).to(x.scalar_type());
  const at::Tensor turning = x.slice(-1, 0, config.n_dims);
  const at::Tensor turned =
      config.adjacent ? rotate_adjacent(turning, cos, sin) : rotate_half(turning, cos, sin);
  if (config.n_dims == x.size(-1)) return turned;
  return at::cat({turned, x.slice(-1, config.n_dims)}, -1);
}

}  // namespace

bool RotaryConfig::same_frequencies(int64_t length, int64_t other) const {
  if (!depends_on_length() || length == other) return true;
  const bool both_short = length <= original_context && other <= original_context;
  const bool both_long = length > original_context && other > original_context;
  return both_short || (scaling == "longrope" && both_long);
}

std::vector<double> rotary_frequencies(const RotaryConfig& c, int64_t length) {
  std::vector<double> frequencies =
      plain_frequencies(c.scaling == "dynamic" ? dynamic_theta(c, length) : c.theta, c.n_dims);
  if (c.scaling == "linear") {
    for (double& frequency : frequencies) frequency /= c.factor;
  } else if (c.scaling == "llama3") {
    scale_llama3(c, frequencies);
  } else if (c.scaling == "yarn") {
    scale_yarn(c, frequencies);
  } else if (c.scaling == "longrope") {
    const auto& factors = length > c.original_context ? c.long_factor : c.short_factor;
    require(factors.size() == frequencies.size(), "rotary: expected {} longrope factors, got {}",
            frequencies.size(), factors.size());
    for (size_t i = 0; i < frequencies.size(); ++i) frequencies[i] /= factors[i];
  }
  for (size_t i = 0; i < c.frequency_factors.size() && i < frequencies.size(); ++i) {
    frequencies[i] /= c.frequency_factors[i];
  }
  return frequencies;
}

RotaryTables rotary_tables(const RotaryConfig& config, const at::Tensor& positions,
                           int64_t length) {
  // float32 throughout, as the reference: positions times float32 frequencies.
  const at::Tensor frequencies = at::tensor(rotary_frequencies(config, length), at::kDouble)
                                     .to(at::kFloat)
                                     .to(positions.device());
  const at::Tensor angles = positions.to(at::kFloat).unsqueeze(-1) * frequencies;
  const double factor = attention_factor(config);
  RotaryTables tables{angles.cos(), angles.sin()};
  if (factor != 1) tables = {tables.cos * factor, tables.sin * factor};
  return tables;
}

at::Tensor rotate(const at::Tensor& x, const RotaryTables& tables, const RotaryConfig& config) {
  if (needs_widening(x)) return rotate(widened(x), tables, config).to(x.scalar_type());
  if (config.adjacent || !suits_kernels({x}) || tables.cos.stride(-1) != 1) {
    return composed_rotation(x, tables, config);
  }
  if (!needs_graph({x})) return rotate_half_by_kernel(x, tables, config.n_dims);
  HandGradient operation;
  operation.forward = [=](const auto& given) {
    return rotate_half_by_kernel(given[0], tables, config.n_dims);
  };
  // The transpose of a rotation turns back.
  operation.backward = [=](const auto&, const at::Tensor& dy, const auto&) {
    const RotaryTables back{tables.cos, tables.sin.neg()};
    return std::vector<at::Tensor>{rotate_half_by_kernel(dy.contiguous(), back, config.n_dims)};
  };
  operation.composed = [=](const auto& given) {
    return composed_rotation(given[0], tables, config);
  };
  return with_gradient({x}, std::move(operation));
}

}  // namespace weir
