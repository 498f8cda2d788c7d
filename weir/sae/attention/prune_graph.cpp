#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/attention/attribution_graph.h"

namespace weir {
namespace {

at::Tensor normalised_rows(const at::Tensor& adjacency) {
  const at::Tensor sizes = adjacency.abs();
  return sizes / sizes.sum(1, true).clamp_min(1e-10);
}

/// p N + p N^2 + ..., which ends: edges only lead from lower to higher layers.
at::Tensor influence_of(const at::Tensor& normalised, const at::Tensor& weights) {
  at::Tensor step = at::mv(normalised.t(), weights), sum = step.clone();
  for (int64_t i = 0; i < normalised.size(0) && step.any().item<bool>(); ++i) {
    step = at::mv(normalised.t(), step);
    sum = sum + step;
  }
  require(!step.any().item<bool>(), "expected a graph without cycles");
  return sum;
}

/// The smallest score among the largest that hold `share` of all.
double score_at_share(const at::Tensor& scores, double share) {
  const at::Tensor sorted = std::get<0>(scores.flatten().sort(0, true));
  const at::Tensor cumulative = sorted.cumsum(0) / sorted.sum();
  const int64_t place =
      std::min<int64_t>((cumulative < share).sum().item<int64_t>(), sorted.size(0) - 1);
  return sorted[place].item<double>();
}

}  // namespace

Pruning prune_graph(const at::Tensor& adjacency, const at::Tensor& weights, int64_t n_features,
                    int64_t n_inner, double node_threshold, double edge_threshold) {
  const int64_t n = adjacency.size(0), n_prunable = n_features + n_inner;
  require(adjacency.dim() == 2 && adjacency.size(1) == n && weights.size(0) == n,
          "expected a square adjacency and a weight a node");
  Pruning pruning;
  pruning.influence = influence_of(normalised_rows(adjacency), weights);
  pruning.node_mask = pruning.influence >= score_at_share(pruning.influence, node_threshold);
  pruning.node_mask.slice(0, n_prunable).fill_(true);

  const at::Tensor kept = pruning.node_mask.to(adjacency.scalar_type());
  const at::Tensor normalised = normalised_rows(adjacency * kept.unsqueeze(0) * kept.unsqueeze(1));
  const at::Tensor reach = influence_of(normalised, weights) + weights;
  const at::Tensor scores = normalised * reach.unsqueeze(1);
  pruning.edge_mask = scores >= score_at_share(scores, edge_threshold);
  for (at::Tensor before; !before.defined() || !before.equal(pruning.node_mask);) {
    if (before.defined()) {
      pruning.edge_mask.logical_and_(pruning.node_mask.unsqueeze(0))
          .logical_and_(pruning.node_mask.unsqueeze(1));
    }
    before = pruning.node_mask.clone();
    pruning.node_mask.slice(0, 0, n_prunable)
        .logical_and_(pruning.edge_mask.slice(1, 0, n_prunable).any(0));
    pruning.node_mask.slice(0, 0, n_features)
        .logical_and_(pruning.edge_mask.slice(0, 0, n_features).any(1));
  }

  const auto [sorted, order] = pruning.influence.sort(0, true);
  pruning.cumulative = at::empty_like(sorted);
  pruning.cumulative.index_put_({order}, sorted.cumsum(0) / sorted.sum());
  return pruning;
}

Pruning prune_graph(const AttributionGraph& graph, const GraphOptions& options) {
  using Kind = AttributionGraph::Kind;
  int64_t n_features = 0, n_inner = 0;
  for (const AttributionGraph::Node& node : graph.nodes) {
    n_features += node.kind == Kind::kFeature || node.kind == Kind::kTranscoder ? 1 : 0;
    n_inner += node.kind == Kind::kError || node.kind == Kind::kMlp ? 1 : 0;
  }
  at::Tensor weights = at::zeros({graph.adjacency.size(0)}, at::kDouble);
  weights[-1] = 1;
  return prune_graph(graph.adjacency, weights, n_features, n_inner, options.node_threshold,
                     options.edge_threshold);
}

}  // namespace weir
