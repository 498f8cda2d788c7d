#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/sae/attention/attribution_graph.h"

namespace weir {
namespace {

using Node = AttributionGraph::Node;
using Kind = AttributionGraph::Kind;
using Json = nlohmann::ordered_json;

/// Cantor's numbering of pairs, as circuit-tracer names features.
int64_t paired(int64_t layer, int64_t feature) {
  return (layer + feature) * (layer + feature + 1) / 2 + feature;
}

struct Described {
  std::string id, layer, type, clerp;
  int64_t feature;
};

Described described(const AttributionGraph& graph, const Node& node, const at::Tensor& tokens) {
  const int64_t t = node.position;
  switch (node.kind) {
    case Kind::kToken: {
      const auto token = tokens[t].item<int64_t>();
      return {fmt::format("E_{}_{}", token, t), "E", "embedding", "", t};
    }
    case Kind::kError:
      // Upstream's "0_LAYER_POS" is a name that a feature of layer 0 may have.
      return {fmt::format("X_{}_{}", node.layer, t), std::to_string(node.layer),
              "mlp reconstruction error", "what the dictionary does not explain", -1};
    case Kind::kMlp:
      return {fmt::format("M_{}_{}", node.layer, t), std::to_string(node.layer),
              "mlp reconstruction error", "MLP", -1};
    case Kind::kTarget:
      return {fmt::format("{}_{}_{}", graph.target.layer + 1, node.feature, t),
              std::to_string(graph.target.layer + 1), "logit",
              fmt::format("feature {}.{}", node.layer, node.feature), node.feature};
    case Kind::kTranscoder:
      return {fmt::format("{}_tc{}_{}", node.layer, node.feature, t), std::to_string(node.layer),
              "cross layer transcoder", "", paired(node.layer, node.feature)};
    case Kind::kFeature:
      break;
  }
  return {fmt::format("{}_{}_{}", node.layer, node.feature, t), std::to_string(node.layer),
          "attention sae", "", paired(node.layer, node.feature)};
}

}  // namespace

Json graph_json(const AttributionGraph& graph, const Pruning& pruning, const GraphOptions& options,
                const std::vector<std::string>& tokens, const at::Tensor& ids,
                const std::string& model) {
  std::string prompt;
  for (const std::string& token : tokens) prompt += token;
  const std::string slug =
      fmt::format("{}.{}@{}", graph.target.layer, graph.target.feature, graph.target.position);
  Json document{{"metadata",
                 {{"slug", slug},
                  {"scan", model},
                  {"transcoder_list", Json::array()},
                  {"prompt_tokens", tokens},
                  {"prompt", prompt},
                  {"node_threshold", options.node_threshold},
                  {"schema_version", 1}}},
                {"qParams",
                 {{"pinnedIds", Json::array()},
                  {"supernodes", Json::array()},
                  {"linkType", "both"},
                  {"clickedId", ""},
                  {"sg_pos", ""}}},
                {"nodes", Json::array()},
                {"links", Json::array()}};
  const auto n = static_cast<int64_t>(graph.nodes.size());
  std::vector<std::string> names;
  for (int64_t i = 0; i < n; ++i) {
    const Node& node = graph.nodes[i];
    const Described is = described(graph, node, ids);
    names.push_back(is.id);
    if (!pruning.node_mask[i].item<bool>()) continue;
    const bool is_target = node.kind == Kind::kTarget;
    const bool is_latent = node.kind == Kind::kFeature || node.kind == Kind::kTranscoder;
    document["nodes"].push_back(
        {{"node_id", is.id},
         {"feature", is.feature},
         {"layer", is.layer},
         {"ctx_idx", node.position},
         {"feature_type", is.type},
         {"token_prob", is_target ? 1.0 : 0.0},
         {"is_target_logit", is_target},
         {"run_idx", 0},
         {"reverse_ctx_idx", 0},
         {"jsNodeId",
          fmt::format("{}-{}", is.id.substr(0, is.id.rfind('_')), is_latent ? 0 : node.position)},
         {"clerp", is.clerp},
         {"influence", is_target ? Json() : Json(pruning.cumulative[i].item<double>())},
         {"activation", is_latent || is_target ? Json(node.activation) : Json()}});
  }
  for (int64_t target = 0; target < n; ++target) {
    for (int64_t source = 0; source < n; ++source) {
      if (!pruning.edge_mask[target][source].item<bool>()) continue;
      document["links"].push_back({{"source", names[source]},
                                   {"target", names[target]},
                                   {"weight", graph.adjacency[target][source].item<double>()}});
    }
  }
  return document;
}

}  // namespace weir
