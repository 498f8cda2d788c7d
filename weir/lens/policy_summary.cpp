#include "weir/lens/policy_summary.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int kResamples = 1000;

std::vector<double> mean_of(const std::vector<std::vector<double>>& rows,
                            const std::vector<size_t>& chosen) {
  std::vector<double> mean(rows.front().size(), 0);
  for (const size_t n : chosen) {
    for (size_t l = 0; l < mean.size(); ++l)
      mean[l] += rows[n][l] / static_cast<double>(chosen.size());
  }
  return mean;
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> named(const EntropyDynamics& d) {
  return {{"entropy.layer", d.layer},
          {"entropy.attn", d.attn},
          {"entropy.mlp", d.mlp},
          {"delta_entropy.layer", d.delta_layer},
          {"delta_entropy.attn", d.delta_attn},
          {"delta_entropy.mlp", d.delta_mlp},
          {"cosine.attn", d.cosine_attn},
          {"cosine.mlp", d.cosine_mlp},
          {"rms", d.rms}};
}

void PolicySummary::add(const EntropyDynamics& dynamics, const at::Tensor& mask) {
  const at::Tensor counted = mask.to(at::kDouble);
  const at::Tensor n_each = counted.sum(1);  // [B]
  const auto all = named(dynamics);
  if (quantities_.empty()) {
    for (const auto& [name, tensor] : all) quantities_.push_back({name, {}});
  }
  for (size_t q = 0; q < all.size(); ++q) {
    const at::Tensor sums = (all[q].second.to(at::kDouble) * counted).sum(2);  // [L, B]
    Sums& kept = quantities_[q].second;
    if (kept.total.empty()) kept.total.resize(static_cast<size_t>(sums.size(0)), 0);
    for (int64_t b = 0; b < n_each.size(0); ++b) {
      const auto n = n_each[b].item<double>();
      if (n == 0) continue;
      const std::vector<double> column = to_doubles(sums.select(1, b));
      std::vector<double>& means = kept.each.emplace_back();
      for (size_t l = 0; l < column.size(); ++l) {
        kept.total[l] += column[l];
        means.push_back(column[l] / n);
      }
    }
  }
  n_sequences_ += (n_each > 0).sum().item<int64_t>();
  n_tokens_ += counted.sum().item<int64_t>();
}

std::vector<LayerCurve> PolicySummary::curves() const {
  require(n_tokens_ > 0, "policies: expected at least one token that counts, got none");
  std::vector<LayerCurve> curves;
  for (const auto& [name, sums] : quantities_) {
    LayerCurve curve{name, sums.total, {}, sums.each};
    for (size_t l = 0; l < curve.tokens.size(); ++l) {
      curve.tokens[l] /= static_cast<double>(n_tokens_);
      std::vector<double> values;
      for (const auto& each : sums.each) values.push_back(each[l]);
      curve.sequences.push_back(bootstrap_mean(values));
    }
    curves.push_back(std::move(curve));
  }
  return curves;
}

const LayerCurve& find_curve(const std::vector<LayerCurve>& curves, const std::string& name) {
  const auto found = std::find_if(curves.begin(), curves.end(),
                                  [&](const LayerCurve& curve) { return curve.name == name; });
  if (found == curves.end()) fail(ErrorCode::kNotFound, "policies: no quantity '{}'", name);
  return *found;
}

BoundaryConfidence boundary_confidence(const LayerCurve& delta_mlp,
                                       const BoundaryOptions& options) {
  BoundaryConfidence found;
  found.boundary = find_boundary(delta_mlp.tokens, options);
  const size_t n = delta_mlp.each.size();
  const auto chosen_of = [&](const std::vector<size_t>& texts) {
    return find_boundary(mean_of(delta_mlp.each, texts), options).automatic;
  };
  Draw draw(0);
  int same = 0;
  for (int r = 0; r < kResamples; ++r) {
    std::vector<size_t> texts;
    for (size_t i = 0; i < n; ++i) texts.push_back(draw.below(n));
    if (chosen_of(texts) == found.boundary.automatic) ++same;
  }
  found.share = static_cast<double>(same) / kResamples;
  std::vector<size_t> first, second;
  for (size_t i = 0; i < n; ++i) (i < n / 2 ? first : second).push_back(i);
  if (!first.empty()) found.first_half = chosen_of(first);
  if (!second.empty()) found.second_half = chosen_of(second);
  return found;
}

}  // namespace weir
