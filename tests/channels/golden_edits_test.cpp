// Edits of weights and activations, inhibition scores and region maps against TransformerLens 3.9
// and SciPy (golden topic `channels`), float64. 1e-9; 1e-6 for rotary models, whose tables are
// float32 here. Weights are edited as loaded; the reference edits folded ones, which is the same.
#include "tests/channels/golden_channels.h"
#include "weir/base/error.h"
#include "weir/channels/edit.h"
#include "weir/channels/inhibition.h"
#include "weir/channels/regions.h"
#include "weir/channels/subspace.h"

namespace weir {
namespace {

using testing::ChannelGolden;

std::vector<std::string> edit_cases() {
  std::vector<std::string> names;
  for (const std::string& name : testing::channel_cases("edits")) {
    if (name.rfind("planted", 0) != 0) names.push_back(name);
  }
  return names;
}

double tolerance(const ChannelGolden& golden) {
  return golden.lm.config().position == PositionKind::kRotary ? 1e-6 : 1e-9;
}

CircuitOptions circuits_of(const ChannelGolden& golden) {
  return {golden.notes["fold"].get<bool>(), at::kDouble};
}

HeadId head_of(const nlohmann::json& json) {
  return {json[0].get<int64_t>(), json[1].get<int64_t>()};
}

class GoldenChannelEdits : public ::testing::TestWithParam<std::string> {
 protected:
  at::Tensor logits(const ChannelGolden& golden, const Weights* weights,
                    const std::vector<NamedHook>& hooks = {},
                    const std::vector<Intervention>& interventions = {}) {
    RunOptions run;
    run.weights = weights;
    run.hooks = hooks;
    run.interventions = interventions;
    TokenBatch batch;
    batch.tokens = golden.tensors.at("tokens");
    return golden.lm.run(batch, run).logits;
  }
};

TEST_P(GoldenChannelEdits, OvComponentsScaledOrKept) {
  const ChannelGolden golden("edits", GetParam());
  const Weights& weights = golden.lm.transformer().weights();
  golden.expect_near(logits(golden, nullptr), "logits.clean", tolerance(golden));
  for (const auto& [name, setting] : golden.notes["ov"].items()) {
    ComponentEdit edit;
    edit.head = head_of(setting["head"]);
    edit.keep = setting["op"] == "keep";
    edit.components = setting["components_given"].get<std::vector<int64_t>>();
    edit.scale = setting["scale"].get<double>();
    EXPECT_EQ(scaled_components(edit, golden.lm.config().d_head),
              setting["components_scaled"].get<std::vector<int64_t>>());
    for (const bool with_bias : {false, true}) {
      std::string key = "logits.ov." + name + (with_bias ? ".bias" : ".nobias");
      if (!golden.has(key)) key = "logits.ov." + name;
      edit.edit_bias = with_bias;
      const Weights edited =
          edit_components(weights, golden.lm.config(), edit, circuits_of(golden));
      golden.expect_near(logits(golden, &edited), key, tolerance(golden));
    }
    edit.scale = 1;
    const Weights same = edit_components(weights, golden.lm.config(), edit, circuits_of(golden));
    EXPECT_LT((logits(golden, &same) - logits(golden, nullptr)).abs().max().item<double>(), 1e-10);
  }
}

TEST_P(GoldenChannelEdits, QkComponentsRemoved) {
  const ChannelGolden golden("edits", GetParam());
  const Weights& weights = golden.lm.transformer().weights();
  for (const auto& [name, setting] : golden.notes["qk"].items()) {
    ComponentEdit edit;
    edit.head = head_of(setting["head"]);
    edit.components = setting["components"].get<std::vector<int64_t>>();
    edit.circuit = EditedCircuit::kQkQuery;
    const std::string key = "logits.qk." + name + ".";
    const auto edited = [&] {
      return edit_components(weights, golden.lm.config(), edit, circuits_of(golden));
    };
    const Weights of_query = edited();
    golden.expect_near(logits(golden, &of_query), key + "query_projection", tolerance(golden));
    edit.circuit = EditedCircuit::kQkAugmented;
    if (!golden.has(key + "augmented")) {
      EXPECT_THROW(edited(), Error);
      EXPECT_THROW(qk_score_edit(weights, golden.lm.config(), edit, circuits_of(golden)), Error);
      continue;
    }
    const Weights augmented = edited();
    golden.expect_near(logits(golden, &augmented), key + "augmented", tolerance(golden));
    golden.expect_near(
        logits(golden, nullptr,
               qk_score_edit(weights, golden.lm.config(), edit, circuits_of(golden))),
        key + "pure", tolerance(golden));
    const LayerHeads heads =
        layer_heads(weights, golden.lm.config(), edit.head.layer, circuits_of(golden));
    const HeadComponents all = head_components(heads.qk_augmented(), SignRule::kLeft);
    golden.expect_near(all.S[edit.head.head], "qk." + name + ".augmented_sigma", 1e-9);
  }
}

TEST_P(GoldenChannelEdits, ActivationsWithinASubspace) {
  const ChannelGolden golden("edits", GetParam());
  const ModelComponents components = model_components(
      head_source(golden.lm.transformer().weights(), golden.lm.config(), circuits_of(golden)));
  for (const auto& [name, setting] : golden.notes["activation"].items()) {
    std::vector<ComponentId> ids;
    for (const auto& id : setting["directions (layer, head, component of OV)"]) {
      ids.push_back({head_of(id), id[2].get<int64_t>()});
    }
    const Subspace subspace = subspace_of(components, ids);
    golden.expect_near(subspace.directions, "act." + name + ".directions", 1e-7);
    golden.expect_near(subspace.basis, "act." + name + ".basis", 1e-7);
    golden.expect_near(subspace.r, "act." + name + ".r", 1e-7);
    const at::Tensor alpha = golden.tensors.at("act." + name + ".alpha");
    const at::Tensor factor = at::scalar_tensor(setting["scale"].get<double>(), at::kDouble);
    for (const bool query_only : {false, true}) {
      SubspacePlace place{setting["layer"].get<int64_t>()};
      if (query_only) place.query_head = setting["mover"][1].get<int64_t>();
      const std::string end = query_only ? ".query_only" : "";
      const auto edited = [&](SubspaceOp op, const at::Tensor& value) {
        return logits(golden, nullptr, {}, subspace_edit(subspace, op, value, place));
      };
      const std::string key = "logits.act." + name + ".";
      golden.expect_near(edited(SubspaceOp::kReplace, alpha), key + "replace" + end, 1e-6);
      golden.expect_near(edited(SubspaceOp::kAdd, alpha), key + "add" + end, 1e-6);
      golden.expect_near(edited(SubspaceOp::kScale, factor), key + "scale" + end, 1e-6);
      EXPECT_LT((edited(SubspaceOp::kAdd, alpha * 0) - logits(golden, nullptr))
                    .abs()
                    .max()
                    .item<double>(),
                1e-10);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenChannelEdits, ::testing::ValuesIn(edit_cases()),
                         [](const auto& i) { return case_name(i.param); });

class GoldenChannelInhibition : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenChannelInhibition, ScoresAreTheReferences) {
  const ChannelGolden golden("inhibition", GetParam());
  TokenBatch batch;
  batch.tokens = golden.tensors.at("tokens");
  const NamePositions names = {golden.tensors.at("pos_io"), golden.tensors.at("pos_s1"),
                               golden.tensors.at("pos_s2"), golden.tensors.at("order")};
  InhibitionOptions options;
  options.mover = head_of(golden.notes["mover"]);
  for (const auto& head : golden.notes["inhibitor_set"])
    options.inhibitors.push_back(head_of(head));
  options.circuits = circuits_of(golden);
  const double within = 10 * tolerance(golden);
  for (const auto& [variant, name] :
       {std::pair{InhibitionVariant::kRemoval, std::string("removal")},
        std::pair{InhibitionVariant::kPath, std::string("path")},
        std::pair{InhibitionVariant::kAddition, std::string("addition")}}) {
    for (const bool with_bias : {true, false}) {
      options.with_bias = with_bias;
      const Inhibition found = inhibition(golden.lm, batch, names, variant, options);
      golden.expect_near(found.clean.attention, "clean.attention", within);
      golden.expect_near(found.none.scores, "zeroed.scores", within);
      golden.expect_near(found.coefficients, with_bias ? "coefficients" : "coefficients.nobias",
                         within);
      for (size_t i = 0; i < found.looks.size(); ++i) {
        const std::string tag = std::to_string(i) + (with_bias ? ".bias" : ".nobias");
        const std::string key = name + "." + tag;
        golden.expect_near(found.looks[i].attention, key + ".attention", within);
        golden.expect_near(found.looks[i].scores, key + ".scores", within);
        const auto& notes = golden.notes[name][tag];
        const auto near = [&](const MoverBias& bias, const char* what) {
          EXPECT_NEAR(bias.all, notes[what]["all"].get<double>(), within) << key;
          EXPECT_NEAR(bias.order0, notes[what]["order0"].get<double>(), within) << key;
          EXPECT_NEAR(bias.order1, notes[what]["order1"].get<double>(), within) << key;
        };
        near(found.by_attention[i], "attention");
        near(found.by_scores[i], "scores");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenChannelInhibition,
                         ::testing::ValuesIn(testing::channel_cases("inhibition")),
                         [](const auto& i) { return case_name(i.param); });

class GoldenChannelRegions : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenChannelRegions, MapsAreMeasuredAndPredicted) {
  const ChannelGolden golden("regions", GetParam());
  const CircuitOptions circuits = circuits_of(golden);
  TokenBatch batch;
  batch.tokens = golden.tensors.at("tokens");
  std::vector<ComponentId> ids;
  for (const auto& id : golden.notes["directions"])
    ids.push_back({head_of(id), id[2].get<int64_t>()});
  const Subspace subspace =
      subspace_of(model_components(
                      head_source(golden.lm.transformer().weights(), golden.lm.config(), circuits)),
                  ids);
  RegionOptions options;
  options.mover = head_of(golden.notes["mover"]);
  options.alpha = golden.tensors.at("alpha");
  const RegionMap map = region_map(golden.lm, batch, golden.tensors.at("item_positions"), subspace,
                                   options, circuits);
  const double within = golden.lm.config().position == PositionKind::kRotary ? 1e-6 : 1e-7;
  golden.expect_near(map.keys, "keys", within);
  golden.expect_near(map.slope, "slope", within);
  golden.expect_near(map.intercept, "intercept", within);
  golden.expect_near(map.bias, "bq", within);
  golden.expect_near(map.std, "std", within);
  golden.expect_near(map.measured_scores, "measured_scores", within);
  golden.expect_near(map.hull_distance, "vertex_margin", within);
  golden.expect_near(map.spread, "spread", within);
  EXPECT_TRUE(map.measured.equal(golden.tensors.at("measured_index")));
  EXPECT_TRUE(map.predicted.equal(golden.tensors.at("predicted_index")));
  EXPECT_TRUE(map.predicted_without_bias.equal(golden.tensors.at("predicted_index_affine")));
  EXPECT_TRUE((map.hull_distance > 1e-9).equal(golden.tensors.at("hull_vertex").to(at::kBool)));
  EXPECT_LT((alpha_grid(subspace.basis.size(1), 12, options.alpha.size(0) == 289 ? 17 : 7) -
             options.alpha)
                .abs()
                .max()
                .item<double>(),
            1e-12);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenChannelRegions,
                         ::testing::ValuesIn(testing::channel_cases("regions")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
