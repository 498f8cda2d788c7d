#include "weir/lens/entropy_dynamics.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// Vectors of one forward, and what the modules read of them.
class Vectors {
 public:
  Vectors(const LanguageModel& lm, const TokenBatch& batch)
      : lm_(lm), read_(read_vectors(lm, batch, names(lm))) {}

  /// [L, B, T, D]
  at::Tensor at(const char* site) const {
    std::vector<at::Tensor> layers;
    for (int64_t layer = 0; layer < lm_.config().n_layers; ++layer) {
      layers.push_back(one(layer, site));
    }
    return at::stack(layers);
  }
  /// What attention or the MLP of each layer reads: the layer's own norm with gain and bias.
  at::Tensor normed_input(bool is_mlp) const {
    const ModelConfig& config = lm_.config();
    std::vector<at::Tensor> layers;
    for (int64_t layer = 0; layer < config.n_layers; ++layer) {
      const BlockWeights& block = lm_.transformer().weights().blocks[layer];
      const bool reads_mid = is_mlp && !config.parallel_block;
      const NormWeights& own = is_mlp && block.ln2.present ? block.ln2 : block.ln1;
      const at::Tensor x = one(layer, reads_mid ? "resid_mid" : "resid_pre");
      const bool has_norm = config.pre_norm && own.present;
      layers.push_back(
          has_norm ? norm(x, config.norm, config.norm_eps, own.w, own.b, config.norm_offset) : x);
    }
    return at::stack(layers);
  }
  const at::Tensor& final_scale() const { return read_.final_scale; }

 private:
  static std::vector<std::string> names(const LanguageModel& lm) { return policy_points(lm); }

  at::Tensor one(int64_t layer, const char* site) const {
    const std::string name = fmt::format("blocks.{}.hook_{}", layer, site);
    const auto found = std::find(read_.points.begin(), read_.points.end(), name);
    return read_.values[found - read_.points.begin()];
  }

  const LanguageModel& lm_;
  ReadVectors read_;
};

at::Tensor cosine(const at::Tensor& a, const at::Tensor& b) {
  return at::cosine_similarity(a.to(at::kDouble), b.to(at::kDouble), -1, 1e-30);
}

}  // namespace

EntropyDynamics entropy_dynamics(const LanguageModel& lm, const TokenBatch& batch,
                                 PolicyNorm norm) {
  const at::NoGradGuard no_grad;
  const Vectors vectors(lm, batch);
  const auto entropy = [&](const at::Tensor& x) {
    const at::Tensor scale = vectors.final_scale().expand({x.size(0), x.size(1), x.size(2)});
    const at::Tensor rows = policy_vector(lm, x, norm, scale).flatten(0, 2);
    return policy_entropy(lm, rows).unflatten(0, {x.size(0), x.size(1), x.size(2)});
  };
  const at::Tensor pre = vectors.at("resid_pre"), post = vectors.at("resid_post");
  const at::Tensor attn = vectors.at("attn_out"), mlp = vectors.at("mlp_out");
  EntropyDynamics dynamics;
  dynamics.layer = entropy(post);
  dynamics.attn = entropy(attn);
  dynamics.mlp = entropy(mlp);
  dynamics.normed_in_attn = entropy(vectors.normed_input(false));
  dynamics.normed_in_mlp = entropy(vectors.normed_input(true));
  // What enters a layer is what left the one before.
  const at::Tensor entering = entropy(pre.slice(0, 0, 1));
  dynamics.delta_layer = dynamics.layer - at::cat({entering, dynamics.layer.slice(0, 0, -1)});
  dynamics.delta_attn = dynamics.attn - dynamics.normed_in_attn;
  dynamics.delta_mlp = dynamics.mlp - dynamics.normed_in_mlp;
  dynamics.cosine_attn = cosine(attn, pre);
  dynamics.cosine_mlp = cosine(mlp, pre + attn);
  dynamics.rms = post.to(at::kDouble).square().mean(-1).sqrt();
  return dynamics;
}

Boundary find_boundary(const std::vector<double>& delta_mlp, const BoundaryOptions& options) {
  require(!delta_mlp.empty(), "boundary layer: expected a value for each layer, got none");
  const auto n_layers = static_cast<int64_t>(delta_mlp.size());
  double largest = 0;
  for (const double change : delta_mlp) largest = std::max(largest, std::abs(change));
  Boundary boundary;
  boundary.threshold = std::max(options.abs_tol, options.rel_tol * largest);
  for (const double change : delta_mlp) {
    boundary.labels += change > boundary.threshold ? 'E' : change < -boundary.threshold ? 'C' : 'I';
  }
  const std::string& labels = boundary.labels;
  const size_t last = labels.rfind('E');
  if (last != std::string::npos) boundary.last_positive = static_cast<int64_t>(last) + 1;
  // A first run begins at a layer of at most max(1, floor(0.15 L)), counted from 1.
  const int64_t latest = std::max<int64_t>(1, 15 * n_layers / 100);
  const size_t first = labels.find('E');
  if (first != std::string::npos && static_cast<int64_t>(first) + 1 <= latest) {
    const size_t end = std::min(labels.find_first_not_of('E', first), labels.size());
    boundary.first_run = static_cast<int64_t>(end);
  }
  boundary.automatic = boundary.last_positive;
  if (boundary.first_run) {
    const auto after = labels.substr(static_cast<size_t>(*boundary.first_run));
    const auto n_flat =
        after.size() - static_cast<size_t>(std::count(after.begin(), after.end(), 'E'));
    if (2 * n_flat >= after.size()) boundary.automatic = boundary.first_run;
  }
  return boundary;
}

}  // namespace weir
