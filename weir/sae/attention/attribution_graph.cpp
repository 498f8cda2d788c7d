#include "weir/sae/attention/attribution_graph.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include <ATen/ATen.h>

#include "weir/base/interrupt.h"

namespace weir {
namespace {

using Node = AttributionGraph::Node;
using Kind = AttributionGraph::Kind;
using Key = std::tuple<Kind, int64_t, int64_t, int64_t>;

Key key_of(const Node& node) { return {node.kind, node.layer, node.feature, node.position}; }

/// Every active latent of the layers below, with its attribution.
std::vector<Node> latents_below(const FrozenRun& run, const RecursiveAttribution& found) {
  std::vector<Node> nodes;
  const auto add = [&](Kind kind, int64_t layer, const ActiveLatents& of, const at::Tensor& parts) {
    const at::Tensor values = parts.contiguous(), places = of.places.contiguous(),
                     active = of.values.contiguous();
    const int64_t k = places.size(1);
    for (int64_t i = 0; i < places.numel(); ++i) {
      const double value = values.data_ptr<double>()[i];
      if (value == 0) continue;
      nodes.push_back({kind, layer, of.features[places.data_ptr<int64_t>()[i]], i / k,
                       active.data_ptr<double>()[i], value});
    }
  };
  for (int64_t layer = 0; layer < found.target.layer; ++layer) {
    const FrozenBlock& block = run.blocks[layer];
    if (block.attention) add(Kind::kFeature, layer, *block.attention, found.features[layer]);
    if (block.mlp) add(Kind::kTranscoder, layer, *block.mlp, found.transcoder_features[layer]);
  }
  return nodes;
}

/// Where a leaf belongs; a constant belongs to no node.
bool node_of_leaf(const std::string& name, int64_t position, Node* node) {
  const size_t dot = name.find('.');
  const std::string what = name.substr(0, dot);
  const int64_t layer = dot == std::string::npos ? -1 : std::stoll(name.substr(dot + 1));
  if (what == "embed" || what == "pos") {
    *node = {Kind::kToken, -1, -1, position};
  } else if (what == "attn_error" || what == "attn" || what == "tc_error") {
    *node = {Kind::kError, layer, -1, position};
  } else if (what == "mlp") {
    *node = {Kind::kMlp, layer, -1, position};
  } else {
    return false;
  }
  return true;
}

class GraphBuilder {
 public:
  GraphBuilder(const FrozenRun& run, const FeatureAt& target) : run_(run) {
    graph_.target = target;
  }

  AttributionGraph build(const GraphOptions& options) {
    const RecursiveAttribution found = attribute_recursively(run_, graph_.target);
    std::vector<Node> latents = latents_below(run_, found);
    std::stable_sort(latents.begin(), latents.end(), [](const Node& a, const Node& b) {
      return std::abs(a.attribution) > std::abs(b.attribution);
    });
    const auto n = std::min<size_t>(latents.size(), options.max_features);
    latents.resize(n);
    std::sort(latents.begin(), latents.end(),
              [](const Node& a, const Node& b) { return key_of(a) < key_of(b); });
    for (const Node& node : latents) add(node);
    std::map<Key, Node> others;
    for (const Leaf& leaf : found.leaves) {
      for (int64_t t = 0; t < leaf.values.size(0); ++t) {
        Node node;
        const double value = leaf.values[t].item<double>();
        if (value == 0 || !node_of_leaf(leaf.name, t, &node)) continue;
        others.emplace(key_of(node), node).first->second.attribution += value;
      }
    }
    for (const auto& [key, node] : others) add(node);
    add({Kind::kTarget, graph_.target.layer, graph_.target.feature, graph_.target.position,
         found.pre, found.pre});
    const auto size = static_cast<int64_t>(graph_.nodes.size());
    graph_.adjacency = at::zeros({size, size}, at::kDouble);
    graph_.constants.assign(size, 0);
    graph_.left_out.assign(size, 0);
    for (int64_t i = 0; i < size; ++i) fill_row(i);
    return std::move(graph_);
  }

 private:
  void add(const Node& node) {
    place_[key_of(node)] = static_cast<int64_t>(graph_.nodes.size());
    graph_.nodes.push_back(node);
  }

  void fill_row(int64_t i) {
    throw_if_interrupted();
    const Node& node = graph_.nodes[i];
    const bool is_transcoder = node.kind == Kind::kTranscoder;
    if (!is_transcoder && node.kind != Kind::kFeature && node.kind != Kind::kTarget) return;
    const FeatureAt where{node.layer, node.feature, node.position};
    const DirectReading reading =
        is_transcoder ? read_transcoder(run_, where) : read_feature(run_, where);
    double* row = graph_.adjacency.data_ptr<double>() + i * graph_.adjacency.size(1);
    for (const DirectPart& part : direct_parts(run_, reading)) {
      Node source{part.kind == PartKind::kTranscoder ? Kind::kTranscoder : Kind::kFeature,
                  part.layer, part.feature, part.position};
      if (part.kind == PartKind::kLeaf && !node_of_leaf(part.name, part.position, &source)) {
        graph_.constants[i] += part.value;
        continue;
      }
      const auto place = place_.find(key_of(source));
      if (place == place_.end()) {
        graph_.left_out[i] += part.value;
      } else {
        row[place->second] += part.value;
      }
    }
  }

  const FrozenRun& run_;
  AttributionGraph graph_;
  std::map<Key, int64_t> place_;
};

}  // namespace

AttributionGraph attribution_graph(const FrozenRun& run, const FeatureAt& target,
                                   const GraphOptions& options) {
  return GraphBuilder(run, target).build(options);
}

}  // namespace weir
