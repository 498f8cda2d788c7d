#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/sae/attention/recursive.h"

/// The same attribution as a tree of paths: each node's children are what it is made of, one step
/// up. A feature stands at as many places as paths lead through it. recursive.h sums over them.
namespace weir {

enum class PartKind {
  kFeature,     ///< Of an attention dictionary
  kTranscoder,  ///< A transcoder's latent
  kLeaf,        ///< A leaf's name as in recursive.h, at a position
  kRest,        ///< What a node is made of that was too small to show
};

struct TreeNode {
  PartKind kind = PartKind::kLeaf;
  std::string name;  ///< "3.17" of a feature, "tc3.17", "mlp.2", "rest"
  int64_t layer = -1, feature = -1, position = -1;
  double value = 0;  ///< Its part of the root's pre-activation; a node's children sum to it.
  int64_t parent = -1;
  double of_parent = 1, of_root = 1;  ///< Shares; signed.
  bool is_expanded = false;
  std::vector<int64_t> children = {};  ///< Largest first, the rest last.
};

struct TreeOptions {
  int64_t max_nodes = 400;
  /// Nodes below this share of the root go into their parent's rest and are not expanded.
  double min_share = 0.01;
  int64_t max_children = 12;  ///< Beside the rest.
};

/// Best first: the largest feature node is expanded next, until there are max_nodes. Exact in every
/// node; only how far it goes is a choice. node 0 is the root. With min_share 0 and no limits it is
/// the enumeration of all paths, which grows exponentially with layers.
std::vector<TreeNode> attribution_tree(const FrozenRun& run, const FeatureAt& target,
                                       const TreeOptions& options = {});

/// Sums a tree's unexpanded nodes by name and position; the reference for the dynamic programme.
std::map<std::pair<std::string, int64_t>, double> leaves_of(const std::vector<TreeNode>& tree);

/// What one feature is made of directly, for d target / d feature = 1: a covector [T, D] on the
/// stream that enters its block (of a transcoder: that its MLP reads), and constants.
struct DirectReading {
  at::Tensor stream;            ///< [T, D]
  int64_t below = 0;            ///< Attention of blocks below this one wrote to it,
  int64_t mlp_below = 0;        ///< and MLPs of blocks below this one.
  std::vector<Leaf> constants;  ///< Its own leaves: enc_bias, b_V, ln1_bias, ...
};
DirectReading read_feature(const FrozenRun& run, const FeatureAt& feature);
DirectReading read_transcoder(const FrozenRun& run, const FeatureAt& feature);

/// One thing that wrote to the stream, at one position, and what it gives for the reading.
struct DirectPart {
  PartKind kind = PartKind::kLeaf;
  std::string name;
  int64_t layer = -1, feature = -1, position = -1;
  double value = 0;  ///< Its effect on the reader.
};
/// All of them, constants included: they sum to the reader's f.
std::vector<DirectPart> direct_parts(const FrozenRun& run, const DirectReading& reading);

}  // namespace weir
