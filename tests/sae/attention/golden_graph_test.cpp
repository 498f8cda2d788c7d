// Pruning against circuit-tracer 0.5.0 on a made-up graph (the golden topic `circuits`, files
// tracer*), which computes in float32: 1e-5.
#include <gtest/gtest.h>

#include "tests/sae/attention/golden_attention.h"
#include "weir/sae/attention/attribution_graph.h"

namespace weir {
namespace {

TEST(GoldenCircuitsTracer, PruningIsThePackages) {
  const std::filesystem::path folder = golden_topic("circuits");
  ASSERT_TRUE(std::filesystem::exists(folder / "tracer.safetensors")) << folder;
  const auto tensors = read_all(folder / "tracer.safetensors");
  const nlohmann::json notes = io::read_json(folder / "tracer.json");
  const int64_t n_features = tensors.at("active_features").size(0);
  const int64_t n_errors = notes["layers"].get<int64_t>() * notes["positions"].get<int64_t>();
  const at::Tensor adjacency = tensors.at("adjacency").to(at::kDouble);
  const at::Tensor& probabilities = tensors.at("logit_probabilities");
  at::Tensor weights = at::zeros({adjacency.size(0)}, at::kDouble);
  weights.slice(0, -probabilities.size(0)).copy_(probabilities);
  const Pruning found = prune_graph(adjacency, weights, n_features, n_errors,
                                    notes["node_threshold"], notes["edge_threshold"]);
  EXPECT_LT(max_difference(found.influence, tensors.at("node_influence")), 1e-5);
  EXPECT_TRUE(found.node_mask.equal(tensors.at("node_mask").to(at::kBool)));
  EXPECT_TRUE(found.edge_mask.equal(tensors.at("edge_mask").to(at::kBool)));
  EXPECT_LT(max_difference(found.cumulative, tensors.at("cumulative_scores")), 1e-5);
}

class GoldenSaeAttnGraph : public testing::TestWithParam<std::string> {};

TEST_P(GoldenSaeAttnGraph, RowsSumToTheFeaturesAndTheFileHasTheSchema) {
  const AttentionGolden golden(GetParam());
  const nlohmann::json& target = golden.notes["rdfa0.tc"];
  const at::Tensor tokens = golden.batch.tokens[target["batch"].get<int64_t>()];
  const FeatureAt feature{target["layer"], target["feature"], target["dest"]};
  const FrozenRun run = freeze(golden.lm, tokens, feature.layer, golden.of_layers(golden.saes),
                               golden.of_layers(golden.transcoders));
  GraphOptions options;
  options.max_features = 40;
  const AttributionGraph graph = attribution_graph(run, feature, options);
  using Kind = AttributionGraph::Kind;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const AttributionGraph::Node& node = graph.nodes[i];
    if (node.kind != Kind::kFeature && node.kind != Kind::kTranscoder &&
        node.kind != Kind::kTarget) {
      continue;
    }
    const auto row = static_cast<int64_t>(i);
    EXPECT_NEAR(graph.adjacency[row].sum().item<double>() + graph.constants[i] + graph.left_out[i],
                node.activation, 1e-10);
  }
  const Pruning pruning = prune_graph(graph, options);
  std::vector<std::string> words;
  for (int64_t t = 0; t < tokens.size(0); ++t)
    words.push_back(golden.lm.token_text(tokens[t].item<int64_t>()));
  const nlohmann::ordered_json found =
      graph_json(graph, pruning, options, words, tokens, GetParam());
  // The same keys as the file that the package wrote.
  const nlohmann::json package = io::read_json(golden_topic("circuits") / "tracer_graph.json");
  const auto keys = [](const auto& object) {
    std::set<std::string> names;
    for (const auto& [key, value] : object.items()) names.insert(key);
    return names;
  };
  EXPECT_EQ(keys(found), keys(package));
  EXPECT_EQ(keys(found["metadata"]), keys(package["metadata"]));
  EXPECT_EQ(keys(found["qParams"]), keys(package["qParams"]));
  EXPECT_EQ(keys(found["nodes"][0]), keys(package["nodes"][0]));
  EXPECT_EQ(keys(found["links"][0]), keys(package["links"][0]));
  std::set<std::string> ids;
  for (const auto& node : found["nodes"]) {
    EXPECT_TRUE(ids.insert(node["node_id"].get<std::string>()).second) << node["node_id"];
  }
  for (const auto& link : found["links"]) {
    EXPECT_TRUE(ids.count(link["source"]) > 0 && ids.count(link["target"]) > 0);
  }
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeAttnGraph);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeAttnGraph, testing::ValuesIn(attention_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
