#include "weir/sae/attention/attribution_tree.h"

#include <algorithm>
#include <cmath>
#include <queue>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"

namespace weir {
namespace {

class Tree {
 public:
  Tree(const FrozenRun& run, const TreeOptions& options) : run_(run), options_(options) {}

  std::vector<TreeNode> grow(const FeatureAt& target) {
    const ActiveLatents& latents = *run_.blocks[target.layer].attention;
    TreeNode root{PartKind::kFeature, fmt::format("{}.{}", target.layer, target.feature),
                  target.layer, target.feature, target.position};
    root.value = latents.value(target.position, latents.row_of(target.feature));
    nodes_.push_back(root);
    queue_.emplace(std::abs(root.value), 0);
    while (!queue_.empty() && static_cast<int64_t>(nodes_.size()) < options_.max_nodes) {
      throw_if_interrupted();
      const int64_t next = queue_.top().second;
      queue_.pop();
      expand(next);
    }
    return std::move(nodes_);
  }

 private:
  void expand(int64_t index) {
    const TreeNode node = nodes_[index];
    const FeatureAt where{node.layer, node.feature, node.position};
    const bool is_feature = node.kind == PartKind::kFeature;
    std::vector<DirectPart> parts =
        direct_parts(run_, is_feature ? read_feature(run_, where) : read_transcoder(run_, where));
    const ActiveLatents& latents =
        is_feature ? *run_.blocks[node.layer].attention : *run_.blocks[node.layer].mlp;
    const double f = latents.value(node.position, latents.row_of(node.feature));
    const double weight = node.value / f;  // d root / d f along this path
    std::sort(parts.begin(), parts.end(), [](const DirectPart& a, const DirectPart& b) {
      return std::abs(a.value) > std::abs(b.value);
    });
    nodes_[index].is_expanded = true;
    double rest = 0;
    int64_t n_shown = 0;
    for (const DirectPart& part : parts) {
      const double value = weight * part.value;
      const bool is_small = std::abs(value) < options_.min_share * std::abs(nodes_[0].value);
      if (is_small || n_shown == options_.max_children) {
        rest += value;
        continue;
      }
      ++n_shown;
      TreeNode child{part.kind, part.name, part.layer, part.feature, part.position, value};
      const int64_t place = add(child, index);
      if (part.kind != PartKind::kLeaf) queue_.emplace(std::abs(value), place);
    }
    if (rest != 0) add({PartKind::kRest, "rest", -1, -1, -1, rest}, index);
  }

  int64_t add(TreeNode node, int64_t parent) {
    node.parent = parent;
    node.of_parent = node.value / nodes_[parent].value;
    node.of_root = node.value / nodes_[0].value;
    nodes_.push_back(std::move(node));
    const auto place = static_cast<int64_t>(nodes_.size()) - 1;
    nodes_[parent].children.push_back(place);
    return place;
  }

  const FrozenRun& run_;
  const TreeOptions& options_;
  std::vector<TreeNode> nodes_;
  std::priority_queue<std::pair<double, int64_t>> queue_;
};

}  // namespace

std::vector<TreeNode> attribution_tree(const FrozenRun& run, const FeatureAt& target,
                                       const TreeOptions& options) {
  require(target.layer >= 0 && target.layer < static_cast<int64_t>(run.blocks.size()) &&
              run.blocks[target.layer].attention.has_value(),
          "expected a target in a layer with a dictionary, found layer {}", target.layer);
  const ActiveLatents& latents = *run.blocks[target.layer].attention;
  const int64_t row = latents.row_of(target.feature);
  require(row >= 0 && target.position >= 0 && target.position < latents.places.size(0) &&
              latents.value(target.position, row) != 0,
          "feature {} of layer {} does not fire at position {}", target.feature, target.layer,
          target.position);
  return Tree(run, options).grow(target);
}

std::map<std::pair<std::string, int64_t>, double> leaves_of(const std::vector<TreeNode>& tree) {
  std::map<std::pair<std::string, int64_t>, double> sums;
  for (const TreeNode& node : tree) {
    if (!node.is_expanded) sums[{node.name, node.position}] += node.value;
  }
  return sums;
}

}  // namespace weir
