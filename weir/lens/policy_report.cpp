#include <fmt/format.h>

#include "weir/lens/policy_summary.h"

namespace weir {
namespace {

std::vector<double> layers_from_one(size_t n) {
  std::vector<double> x;
  for (size_t l = 0; l < n; ++l) x.push_back(static_cast<double>(l + 1));
  return x;
}

Series with_band(const std::string& name, const LayerCurve& curve) {
  Series series{name, {}};
  for (const MeanInterval& at : curve.sequences) {
    series.y.push_back(at.mean);
    series.lower.push_back(at.low);
    series.upper.push_back(at.high);
  }
  return series;
}

CurvesBlock curves(const std::vector<LayerCurve>& all, const std::string& title,
                   const std::string& y_label, const std::string& prefix,
                   const std::vector<std::string>& modules) {
  CurvesBlock block;
  block.title = title;
  block.x_label = "layer (from 1, as in the paper)";
  block.y_label = y_label;
  for (const std::string& module : modules) {
    const LayerCurve& curve = find_curve(all, prefix + module);
    if (block.x.empty()) block.x = layers_from_one(curve.tokens.size());
    block.series.push_back(with_band(module, curve));
  }
  return block;
}

std::string layer_text(const std::optional<int64_t>& layer) {
  return layer ? fmt::format("layer {}", *layer) : "none";
}

TextBlock boundary_text(const std::string& which, const LayerCurve& delta_mlp) {
  const BoundaryConfidence found = boundary_confidence(delta_mlp);
  const Boundary& boundary = found.boundary;
  return {
      "Boundary layer, " + which,
      fmt::format("{} (E widens, I leaves, C narrows; threshold {:.3f} nats)\nThe rule chooses {}: "
                  "first run {}, last positive {}. {:.0f} % of resamples of the texts agree; the "
                  "halves of the data choose {} and {}.",
                  boundary.labels, boundary.threshold, layer_text(boundary.automatic),
                  layer_text(boundary.first_run), layer_text(boundary.last_positive),
                  100 * found.share, layer_text(found.first_half), layer_text(found.second_half))};
}

/// Entropy along one line: into the layer's attention, its MLP, out of the layer.
CurvesBlock flow(const std::vector<LayerCurve>& all) {
  const auto& attn = find_curve(all, "entropy.attn").tokens;
  const auto& mlp = find_curve(all, "entropy.mlp").tokens;
  const auto& layer = find_curve(all, "entropy.layer").tokens;
  CurvesBlock block;
  block.title = "Entropy flow";
  block.x_label = "layer: attention, MLP, stream after it";
  block.y_label = "entropy (nats)";
  Series line{"attention, MLP, layer", {}};
  for (size_t l = 0; l < layer.size(); ++l) {
    for (const double entropy : {attn[l], mlp[l], layer[l]}) {
      block.x.push_back(1 + static_cast<double>(block.x.size()) / 3);
      line.y.push_back(entropy);
    }
  }
  block.series = {line};
  return block;
}

GroupBlock side(const std::string& title, const std::vector<LayerCurve>& all) {
  GroupBlock group;
  group.title = title;
  group.blocks = {
      boundary_text(title, find_curve(all, "delta_entropy.mlp")),
      curves(all, "Entropy change by module", "nats", "delta_entropy.", {"mlp", "attn", "layer"}),
      flow(all)};
  return group;
}

}  // namespace

Report policy_report(const std::vector<LayerCurve>& raw, const std::vector<LayerCurve>& controlled,
                     int64_t n_sequences, int64_t n_tokens) {
  Report report;
  report.title = "Internal policies";
  report.blocks.push_back(TextBlock{
      "", fmt::format("{} tokens of {} texts. Bands: 95 % bootstrap intervals over texts. "
                      "Raw entropies depend on a vector's scale as well as on its direction; "
                      "the controlled ones on its direction alone.",
                      n_tokens, n_sequences)});
  GroupBlock tabs{"Entropy", {side("raw", raw), side("norm-controlled", controlled)}};
  tabs.tabs = true;
  report.blocks.push_back(std::move(tabs));
  report.blocks.push_back(curves(raw, "Cosine of a write with the stream it is added to", "cosine",
                                 "cosine.", {"attn", "mlp"}));
  CurvesBlock rms = curves(raw, "Size of the stream", "rms", "", {"rms"});
  rms.log_y = true;
  report.blocks.push_back(std::move(rms));
  return report;
}

}  // namespace weir
