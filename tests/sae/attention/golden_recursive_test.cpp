// Recursive attribution against torch.autograd through a replay of the model that is linear once
// patterns, scales and active sets are frozen (the golden topic `sae-attn`): 1e-5, as large tensors
// are stored in float32 and rotary tables are.
#include <gtest/gtest.h>

#include "tests/sae/attention/golden_attention.h"
#include "weir/sae/attention/attribution_tree.h"
#include "weir/sae/attention/recursive.h"

namespace weir {
namespace {

constexpr double kTolerance = 1e-5;

struct Target {
  std::string tag;  ///< "rdfa0.mlp"
  FeatureAt feature;
  int64_t row;
  bool has_transcoders;
};

std::vector<Target> targets(const AttentionGolden& golden) {
  std::vector<Target> found;
  for (const auto& [key, notes] : golden.notes.items()) {
    if (key.rfind("rdfa", 0) != 0) continue;
    found.push_back({key,
                     {notes["layer"], notes["feature"], notes["dest"]},
                     notes["batch"],
                     notes["transcoders"]});
  }
  return found;
}

FrozenRun frozen(const AttentionGolden& golden, const Target& target) {
  return freeze(golden.lm, golden.batch.tokens[target.row], target.feature.layer,
                golden.of_layers(golden.saes),
                target.has_transcoders ? golden.of_layers(golden.transcoders) : LayerSaes());
}

/// [T, F] of values at places.
at::Tensor dense(const ActiveLatents& latents, const at::Tensor& values, int64_t d_sae) {
  const at::Tensor ids = at::tensor(latents.features, at::kLong)
                             .index_select(0, latents.places.flatten())
                             .view_as(latents.places);
  return at::zeros({values.size(0), d_sae}, at::kDouble).scatter_add(1, ids, values);
}

class GoldenSaeAttnRecursive : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeAttnRecursive, LeavesFeaturesAndCovectorsAreTheReferences) {
  const AttentionGolden golden(GetParam());
  ASSERT_FALSE(targets(golden).empty());
  for (const Target& target : targets(golden)) {
    SCOPED_TRACE(target.tag);
    const FrozenRun run = frozen(golden, target);
    const RecursiveAttribution found = attribute_recursively(run, target.feature);
    EXPECT_NEAR(found.pre, golden.notes[target.tag]["pre"], kTolerance);
    EXPECT_NEAR(found.sum_of_leaves, found.pre, 1e-12);  // complete
    size_t n_compared = 0;
    for (const Leaf& leaf : found.leaves) {
      if (!golden.has(target.tag + "." + leaf.name)) {
        EXPECT_EQ(leaf.values.abs().max().item<double>(), 0) << leaf.name;
        continue;
      }
      ++n_compared;
      EXPECT_LT(max_difference(leaf.values, golden.of(target.tag + "." + leaf.name)), kTolerance)
          << leaf.name;
    }
    EXPECT_GT(n_compared, 5U);
    for (int64_t k = 0; k < target.feature.layer; ++k) {
      const std::string layer = std::to_string(k);
      EXPECT_LT(max_difference(dense(*run.blocks[k].attention, found.features[k],
                                     golden.saes.at(k).config.d_sae),
                               golden.of(target.tag + ".feature." + layer)),
                kTolerance);
      if (!target.has_transcoders) continue;
      EXPECT_LT(max_difference(dense(*run.blocks[k].mlp, found.transcoder_features[k],
                                     golden.transcoders.at(k).config.d_sae),
                               golden.of(target.tag + ".tc_feature." + layer)),
                kTolerance);
    }
    for (size_t k = 0; k < found.covectors.size(); ++k) {
      EXPECT_LT(max_difference(found.covectors[k],
                               golden.of(target.tag + ".covector." + std::to_string(k))),
                kTolerance);
    }
  }
}

/// All paths one by one, of the prompt's first tokens: their leaves sum to those of the programme.
TEST_P(GoldenSaeAttnRecursive, EveryPathTogetherIsTheProgramme) {
  const AttentionGolden golden(GetParam());
  for (const Target& one : targets(golden)) {
    Target target = one;
    SCOPED_TRACE(target.tag);
    // Paths grow as powers of what fires: few tokens, and transcoders from one layer lower.
    if (target.has_transcoders) target.feature.layer = std::min<int64_t>(target.feature.layer, 1);
    const int64_t n_tokens = 3;
    const FrozenRun run =
        freeze(golden.lm, golden.batch.tokens[target.row].slice(0, 0, n_tokens),
               target.feature.layer, golden.of_layers(golden.saes),
               target.has_transcoders ? golden.of_layers(golden.transcoders) : LayerSaes());
    const ActiveLatents& latents = *run.blocks[target.feature.layer].attention;
    target.feature.position = n_tokens - 1;
    target.feature.feature = latents.features[latents.places[n_tokens - 1][0].item<int64_t>()];
    TreeOptions all;
    all.max_nodes = all.max_children = INT64_MAX;
    all.min_share = 0;
    const std::vector<TreeNode> tree = attribution_tree(run, target.feature, all);
    const RecursiveAttribution found = attribute_recursively(run, target.feature);
    auto paths = leaves_of(tree);
    for (const Leaf& leaf : found.leaves) {
      for (int64_t t = 0; t < n_tokens; ++t) {
        EXPECT_NEAR(leaf.values[t].item<double>(), (paths[{leaf.name, t}]), 1e-10)
            << leaf.name << " at " << t;
      }
    }
    // A feature counts once for each path through it.
    at::Tensor through = at::zeros_like(found.features[0]);
    double sum_of_paths = 0;
    for (const TreeNode& node : tree) {
      if (node.kind == PartKind::kFeature && node.layer == 0) sum_of_paths += node.value;
    }
    EXPECT_NEAR(found.features[0].sum().item<double>(), sum_of_paths, 1e-10);
  }
}

TEST_P(GoldenSaeAttnRecursive, APrunedTreeStillSumsUp) {
  const AttentionGolden golden(GetParam());
  for (const Target& target : targets(golden)) {
    TreeOptions few;
    few.max_nodes = 60;
    const std::vector<TreeNode> tree =
        attribution_tree(frozen(golden, target), target.feature, few);
    EXPECT_LT(tree.size(), 80U);
    for (const TreeNode& node : tree) {
      if (!node.is_expanded) continue;
      double sum = 0;
      for (const int64_t child : node.children) sum += tree[child].value;
      EXPECT_NEAR(sum, node.value, 1e-10);
    }
    EXPECT_NEAR(tree[0].value, golden.notes[target.tag]["pre"], kTolerance);
  }
}

TEST_P(GoldenSaeAttnRecursive, DirectEffectsAreTheReferences) {
  const AttentionGolden golden(GetParam());
  if (!golden.has("edges")) GTEST_SKIP() << "no edges: the model has one layer";
  const auto nodes = golden.notes["edges_nodes"].get<std::vector<std::vector<int64_t>>>();
  const int64_t last = nodes.back()[0];
  const FrozenRun run =
      freeze(golden.lm, golden.batch.tokens[golden.notes["edges_batch"].get<int64_t>()], last,
             golden.of_layers(golden.saes));
  at::Tensor edges = at::zeros_like(golden.of("edges"), at::kDouble);
  for (size_t target = 0; target < nodes.size(); ++target) {
    const auto parts = direct_parts(
        run, read_feature(run, {nodes[target][0], nodes[target][2], nodes[target][1]}));
    for (const DirectPart& part : parts) {
      for (size_t source = 0; source < nodes.size(); ++source) {
        const bool is_it = part.kind == PartKind::kFeature && part.layer == nodes[source][0] &&
                           part.position == nodes[source][1] && part.feature == nodes[source][2];
        if (is_it) edges[target][source] = part.value;
      }
    }
  }
  EXPECT_LT(max_difference(edges, golden.of("edges")), kTolerance);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeAttnRecursive);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeAttnRecursive, testing::ValuesIn(attention_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
