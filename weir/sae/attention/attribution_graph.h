#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/sae/attention/attribution_tree.h"

/// Direct effects between features of one prompt, and what is left when little ones are pruned;
/// written as circuit-tracer's graph files (schema 1), which its viewer and Neuronpedia read.
namespace weir {

/// A graph's nodes; targets of edges are rows of the adjacency.
struct AttributionGraph {
  enum class Kind { kFeature, kTranscoder, kError, kMlp, kToken, kTarget };
  struct Node {
    Kind kind = Kind::kFeature;
    int64_t layer = -1, feature = -1, position = -1;
    double activation = 0;   ///< f; 0 of what is no feature
    double attribution = 0;  ///< f d target / d f in all, or a leaf's part
  };
  FeatureAt target;
  std::vector<Node> nodes;        ///< Features, transcoders, errors, MLPs, tokens, target last
  at::Tensor adjacency;           ///< float64 [n, n]: [target, source], effect of the source
  std::vector<double> constants;  ///< [n]: what biases give each node
  std::vector<double> left_out;   ///< [n]: from features that were not selected
};

struct GraphOptions {
  int64_t max_features = 300;   ///< Selected by |attribution|; edges among them are exact.
  double node_threshold = 0.8;  ///< Share of influence that kept nodes hold
  double edge_threshold = 0.98;
};

/// Each row sums with its constants and what was left out to the node's f.
AttributionGraph attribution_graph(const FrozenRun& run, const FeatureAt& target,
                                   const GraphOptions& options = {});

/// circuit-tracer's pruning: with N the rows of |A| normalised and p the weights of what is
/// explained, influence = p N + p N^2 + ...; the smallest set of nodes with `node_threshold` of it
/// stays, then the edges with `edge_threshold` of N[t, s] (influence[t] + p[t]), then features
/// without edges go.
struct Pruning {
  at::Tensor influence;   ///< [n]
  at::Tensor cumulative;  ///< [n]: share of influence of the nodes at least as large
  at::Tensor node_mask;   ///< bool [n]
  at::Tensor edge_mask;   ///< bool [n, n]
};
/// `weights` [n]; the first `n_features` need edges in and out, the next `n_inner` edges out; the
/// rest always stay.
Pruning prune_graph(const at::Tensor& adjacency, const at::Tensor& weights, int64_t n_features,
                    int64_t n_inner, double node_threshold, double edge_threshold);
/// Of such a graph.
Pruning prune_graph(const AttributionGraph& graph, const GraphOptions& options);

/// {metadata, qParams, nodes, links}; `tokens` are the prompt's as text, `ids` [T] as numbers. The
/// target takes the place of a logit.
nlohmann::ordered_json graph_json(const AttributionGraph& graph, const Pruning& pruning,
                                  const GraphOptions& options,
                                  const std::vector<std::string>& tokens, const at::Tensor& ids,
                                  const std::string& model);

}  // namespace weir
