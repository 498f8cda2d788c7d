// Internal policies, entropy dynamics and direct logit attribution against TransformerLens 3.9,
// tuned-lens 0.2 and transcriptions of the papers' formulas (the golden topic `lens`), in float64:
// 1e-9 says its README, 2e-6 where rotary tables or RMSNorm stay in float32 in the reference; the
// largest seen is 2.3e-6, a KL between neighbours, so twice that here. Entropies of parts and
// dynamics go through float32 statistics: 1e-4, as the README gives for float32.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/io/json.h"
#include "weir/lens/attribution.h"
#include "weir/lens/entropy_dynamics.h"
#include "weir/lens/part_entropy.h"
#include "weir/lens/policy_summary.h"

namespace weir {
namespace {

constexpr double kFloat32 = 1e-4;
constexpr double kStoredInFloat32 = 1e-5;

std::vector<std::string> cases(const std::string& prefix) {
  std::vector<std::string> models;
  for (const std::string& file : golden_files("lens", ".safetensors")) {
    if (file.rfind(prefix, 0) == 0) models.push_back(file.substr(prefix.size()));
  }
  return models;
}

/// A golden file and its model in float64.
struct Golden {
  Golden(const std::string& kind, const std::string& model)
      : tensors(read_all(golden_topic("lens") / (kind + model + ".safetensors"))),
        notes(io::read_json(golden_topic("lens") / (kind + model + ".json"))),
        lm(LanguageModel::load(golden_topic("models") / model, {at::kDouble})) {
    batch.tokens = tensors.at("tokens");
  }
  double tolerance() const {
    return lm.config().position == PositionKind::kRotary || lm.config().norm == NormKind::kRmsNorm
               ? 4e-6
               : 1e-9;
  }
  void expect_near(const at::Tensor& found, const std::string& key, double within) const {
    const at::Tensor& expected = tensors.at(key);
    ASSERT_EQ(found.sizes(), expected.sizes()) << key;
    const double difference =
        (found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>();
    EXPECT_LT(difference, within) << key;
  }

  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;
  LanguageModel lm;
  TokenBatch batch;
};

class GoldenLens : public ::testing::TestWithParam<std::string> {};

TEST(GoldenLensFolder, HasCases) {
  EXPECT_FALSE(cases("lens_").empty()) << golden_topic("lens");
  EXPECT_FALSE(cases("dla_").empty()) << golden_topic("lens");
}

TEST_P(GoldenLens, VectorsAsPoliciesAreTheReferences) {
  const Golden golden("lens_", GetParam());
  const ReadVectors vectors = read_vectors(golden.lm, golden.batch, policy_points(golden.lm));
  EXPECT_EQ(vectors.points, golden.notes["points"].get<std::vector<std::string>>());
  golden.expect_near(vectors.values, "vectors", golden.tolerance());
  golden.expect_near(vectors.final_scale, "final_scale", golden.tolerance());
  for (const char* norm : {"none", "own", "frozen", "controlled"}) {
    const PolicyReadings found =
        read_policies(golden.lm, vectors, policy_norm_of(norm), golden.tensors.at("targets"));
    const auto near = [&](const at::Tensor& value, const std::string& key) {
      golden.expect_near(value, std::string(norm) + "." + key, golden.tolerance());
    };
    near(found.entropy, "entropy");
    near(found.max_prob, "max_prob");
    near(found.log_prob, "logprob");
    near(found.kl_final_lens, "kl_final_lens");
    near(found.kl_lens_final, "kl_lens_final");
    near(found.js_final, "js_final");
    near(found.tv_final, "tv_final");
    EXPECT_TRUE(found.top1.equal(golden.tensors.at(std::string(norm) + ".top1"))) << norm;
    EXPECT_TRUE(found.rank.equal(golden.tensors.at(std::string(norm) + ".rank"))) << norm;
    if (golden.tensors.count(std::string(norm) + ".logits") > 0) {
      const at::Tensor read = policy_vector(golden.lm, vectors.values, policy_norm_of(norm));
      golden.expect_near(golden.lm.transformer().unembed(read, false),
                         std::string(norm) + ".logits", kStoredInFloat32);
    }
    if (golden.tensors.count(std::string(norm) + ".kl_neighbour") == 0) continue;
    EXPECT_EQ(found.neighbours, golden.notes["neighbour_points"].get<std::vector<std::string>>());
    near(found.kl_neighbour, "kl_neighbour");
    near(found.kl_neighbour_back, "kl_neighbour_back");
  }
}

TEST_P(GoldenLens, EntropyDynamicsAreTheReferences) {
  const Golden golden("lens_", GetParam());
  for (const auto& [norm, key] :
       {std::pair{PolicyNorm::kNone, std::string("delta_entropy.")},
        std::pair{PolicyNorm::kControlled, std::string("delta_entropy_controlled.")}}) {
    const EntropyDynamics found = entropy_dynamics(golden.lm, golden.batch, norm);
    golden.expect_near(found.delta_layer, key + "layer", kFloat32);
    golden.expect_near(found.delta_attn, key + "attn", kFloat32);
    golden.expect_near(found.delta_mlp, key + "mlp", kFloat32);
    if (norm != PolicyNorm::kNone) continue;
    golden.expect_near(found.normed_in_attn, "normed_in_entropy.attn", kFloat32);
    golden.expect_near(found.normed_in_mlp, "normed_in_entropy.mlp", kFloat32);
    golden.expect_near(found.cosine_attn, "cosine.attn", golden.tolerance());
    golden.expect_near(found.cosine_mlp, "cosine.mlp", golden.tolerance());
    // Telescoping: the changes of all layers are the last entropy minus the first.
    const ReadVectors first = read_vectors(golden.lm, golden.batch, {"blocks.0.hook_resid_pre"});
    const at::Tensor begin =
        policy_entropy(golden.lm, first.values.flatten(0, 2)).view(found.layer[0].sizes());
    EXPECT_LT((found.delta_layer.sum(0) - (found.layer[-1] - begin)).abs().max().item<double>(),
              kFloat32);
  }
}

TEST_P(GoldenLens, HeadsAndNeuronsAsPoliciesAreTheReferences) {
  const Golden golden("lens_", GetParam());
  for (const std::string norm : {"none", "own", "frozen", "controlled"}) {
    const PartEntropies found =
        part_entropies(golden.lm, golden.batch, policy_norm_of(norm), /*neurons=*/true);
    golden.expect_near(found.head, norm + ".entropy_head", kFloat32);
    golden.expect_near(found.neuron, norm + ".entropy_neuron", kFloat32);
  }
}

// Means over the tokens that count, all together and text by text, in one batch and in two.
TEST_P(GoldenLens, MeansOverADataSetAreTheReferences) {
  const Golden golden("lens_", GetParam());
  const at::Tensor mask = golden.tensors.at("mask").to(at::kBool);
  const int64_t n = mask.size(0);
  PolicySummary whole, pieces;
  whole.add(entropy_dynamics(golden.lm, golden.batch, PolicyNorm::kNone), mask);
  for (int64_t b = 0; b < n; ++b) {
    TokenBatch one;
    one.tokens = golden.batch.tokens.slice(0, b, b + 1);
    pieces.add(entropy_dynamics(golden.lm, one, PolicyNorm::kNone), mask.slice(0, b, b + 1));
  }
  size_t n_compared = 0;
  for (const PolicySummary* summary : {&whole, &pieces}) {
    EXPECT_EQ(summary->n_tokens(), mask.sum().item<int64_t>());
    for (const LayerCurve& curve : summary->curves()) {
      if (!golden.notes["aggregate"].contains(curve.name)) continue;
      const auto& expected = golden.notes["aggregate"][curve.name];
      for (size_t l = 0; l < curve.tokens.size(); ++l) {
        EXPECT_NEAR(curve.tokens[l], expected["tokens"][l].get<double>(), kFloat32) << curve.name;
        EXPECT_NEAR(curve.sequences[l].mean, expected["sequences"][l].get<double>(), kFloat32)
            << curve.name;
      }
      ++n_compared;
    }
  }
  EXPECT_GE(n_compared, 10U);
}

TEST_P(GoldenLens, PadsOnTheLeftChangeNothing) {
  const Golden golden("lens_", GetParam());
  const auto row = golden.batch.tokens[0];
  const std::vector<int64_t> ids(row.data_ptr<int64_t>(), row.data_ptr<int64_t>() + row.size(0));
  std::vector<int64_t> longer = ids;
  longer.insert(longer.end(), {1, 2, 3});
  const auto points = policy_points(golden.lm);
  const at::Tensor padded =
      read_vectors(golden.lm, left_pad({ids, longer}), points).values.select(1, 0);
  const at::Tensor alone = read_vectors(golden.lm, left_pad({ids}), points).values.select(1, 0);
  EXPECT_LT((padded.slice(1, 3) - alone).abs().max().item<double>(), 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLens, ::testing::ValuesIn(cases("lens_")),
                         [](const auto& model) { return case_name(model.param); });

class GoldenLensAttribution : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenLensAttribution, PartsAreTheReferencesAndSumToTheLogit) {
  const Golden golden("dla_", GetParam());
  AttributionOptions options;
  options.neurons = options.sources = true;
  for (const std::string& of :
       {std::string("answer"), std::string("difference"), std::string("centred")}) {
    AttributionTarget target{golden.tensors.at("answer"), {}, of == "centred"};
    if (of == "difference") target.wrong = golden.tensors.at("wrong");
    const Attribution found = attribute(golden.lm, golden.batch, target, options);
    const auto near = [&](const at::Tensor& value, const std::string& key) {
      golden.expect_near(value, of + "." + key, golden.tolerance());
    };
    near(found.embed, "embed");
    if (golden.tensors.count(of + ".pos_embed") > 0) near(found.pos_embed, "pos_embed");
    near(found.constant, "constant");
    near(found.total, "total");
    near(found.attn, "attn");
    near(found.mlp, "mlp");
    near(found.head, "head");
    near(found.b_O, "b_O");
    near(found.neuron, "neuron");
    near(found.b_out, "b_out");
    near(found.source, "source");
    near(found.accumulated, "accumulated");
    const auto zero = [&](const at::Tensor& difference, const char* what) {
      EXPECT_LT(difference.abs().max().item<double>(), 1e-9 + golden.tolerance())
          << of << " " << what;
    };
    zero(found.embed + found.pos_embed + found.constant + found.attn.sum(0) + found.mlp.sum(0) -
             found.total,
         "layers");
    zero(found.head.sum(1) + found.b_O - found.attn, "heads");
    zero(found.neuron.sum(1) + found.b_out - found.mlp, "neurons");
    zero(found.source.sum(2) - found.head, "sources");
  }
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLensAttribution, ::testing::ValuesIn(cases("dla_")),
                         [](const auto& model) { return case_name(model.param); });

TEST(GoldenLensBoundary, LayersAreLabelledAndChosenAsTheReadingSays) {
  const auto file = io::read_json(golden_topic("lens") / "boundary.json");
  const BoundaryOptions options{file["abs_tol"].get<double>(), file["rel_tol"].get<double>()};
  const auto number = [](const nlohmann::json& value) {
    return value.is_null() ? std::optional<int64_t>() : value.get<int64_t>();
  };
  for (const auto& [name, curve] : file["curves"].items()) {
    const Boundary found = find_boundary(curve["delta_mlp"].get<std::vector<double>>(), options);
    EXPECT_NEAR(found.threshold, curve["threshold"].get<double>(), 1e-12) << name;
    EXPECT_EQ(found.labels, curve["labels"].get<std::string>()) << name;
    EXPECT_EQ(found.first_run, number(curve["first_run"])) << name;
    EXPECT_EQ(found.last_positive, number(curve["last_positive"])) << name;
    EXPECT_EQ(found.automatic, number(curve["auto"])) << name;
  }
}

}  // namespace
}  // namespace weir
