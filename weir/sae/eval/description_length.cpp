#include "weir/sae/eval/description_length.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

double entropy_bits(double p) { return p > 0 && p < 1 ? -p * std::log2(p) : 0; }

/// Number of values in each bin, right edges inside the last one; what lies outside is left out.
std::vector<int64_t> counts(const std::vector<float>& values, const std::vector<float>& edges) {
  std::vector<int64_t> n(edges.size() - 1);
  for (const float value : values) {
    if (value < edges.front() || value > edges.back()) continue;
    const auto above = std::upper_bound(edges.begin(), edges.end(), value) - edges.begin();
    n[std::min<size_t>(static_cast<size_t>(above), n.size()) - 1] += 1;
  }
  return n;
}

std::vector<float> to_floats(const at::Tensor& values) {
  const at::Tensor flat = values.detach().to(at::kCPU, at::kFloat).contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

}  // namespace

at::Tensor BinRule::edges(double largest) const {
  require(n_bins > 0 || width > 0, "bins: expected a number of bins or a width");
  return n_bins > 0 ? at::linspace(0, largest, n_bins + 1, at::kFloat)
                    : at::arange(0, largest + 2 * width, width, at::kFloat);
}

double description_length(const at::Tensor& latents, const at::Tensor& largest,
                          const BinRule& rule) {
  const std::vector<float> tops = to_floats(largest);
  const auto n = static_cast<double>(latents.size(0));
  double bits = 0;
  for (size_t j = 0; j < tops.size(); ++j) {
    const std::vector<float> values = to_floats(latents.select(1, static_cast<int64_t>(j)));
    const double p = static_cast<double>(std::count_if(values.begin(), values.end(),
                                                       [](float v) { return v > 0; })) /
                     n;
    bits += entropy_bits(p) + entropy_bits(1 - p);
    if (p == 0) continue;
    const std::vector<int64_t> in_bin = counts(values, to_floats(rule.edges(tops[j])));
    double total = 0, entropy = 0;
    for (const int64_t count : in_bin) total += static_cast<double>(count);
    for (const int64_t count : in_bin) entropy += entropy_bits(static_cast<double>(count) / total);
    bits += p * entropy;
  }
  return bits;
}

at::Tensor quantise(const at::Tensor& latents, const at::Tensor& largest, const BinRule& rule) {
  const std::vector<float> tops = to_floats(largest);
  at::Tensor result = at::empty_like(latents);
  for (int64_t j = 0; j < latents.size(1); ++j) {
    const at::Tensor edges = rule.edges(tops[static_cast<size_t>(j)]);
    const int64_t n_bins = edges.numel() - 1;
    const at::Tensor middle = (edges.slice(0, 0, n_bins) + edges.slice(0, 1)) / 2;
    const at::Tensor bin =
        at::bucketize(latents.select(1, j).contiguous(), edges).clamp(1, n_bins) - 1;
    result.select(1, j).copy_(middle.index_select(0, bin));
  }
  return result;
}

double scaled_rms(const at::Tensor& x_hat, const at::Tensor& x) {
  const at::Tensor error = x_hat.to(at::kDouble) - x.to(at::kDouble);
  return std::sqrt(error.square().mean().item<double>()) / static_cast<double>(x.size(-1));
}

size_t shortest_description(const std::vector<DescriptionLength>& results) {
  require(!results.empty(), "description length: expected at least one result");
  const bool any = std::any_of(results.begin(), results.end(),
                               [](const auto& result) { return result.within_threshold; });
  size_t best = results.size();
  for (size_t i = 0; i < results.size(); ++i) {
    if (any && !results[i].within_threshold) continue;
    if (best == results.size() || results[i].bits < results[best].bits) best = i;
  }
  return best;
}

}  // namespace weir
