// Neighbours, components, silhouettes, affinities, objective and maps against scikit-learn 1.9.1,
// openTSNE 1.0.4 and transcriptions in float64 (the golden topic `embed`). What is float64 on both
// sides agrees to 1e-9: a few hundred terms of size at most 1e3. scikit-learn stops its search for
// beta at 1e-5 nats: its P within 1e-4 of the largest, as the README says; its Barnes-Hut form is
// float32.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/support/golden.h"
#include "tests/support/max_difference.h"
#include "tests/support/read_all.h"
#include "weir/embed/map_quality.h"
#include "weir/embed/pca.h"
#include "weir/embed/tsne.h"
#include "weir/io/json.h"

namespace weir {
namespace {

constexpr double kFloat64 = 1e-9;

struct Golden {
  explicit Golden(const std::string& name)
      : tensors(read_all(golden_topic("embed") / (name + ".safetensors"))),
        notes(io::read_json(golden_topic("embed") / (name + ".json"))),
        x(tensors.at("x")) {
    for (const auto& [key, value] : notes.items()) {
      if (key.rfind("tsne_", 0) == 0) perplexities.push_back(key.substr(5));
    }
  }
  const at::Tensor& of(const std::string& perplexity, const std::string& key) const {
    return tensors.at("tsne" + perplexity + "." + key);
  }

  std::map<std::string, at::Tensor> tensors;
  nlohmann::json notes;
  at::Tensor x;
  std::vector<std::string> perplexities;
};

TsneOptions options_of(const std::string& perplexity, TsneMethod method) {
  TsneOptions options;
  options.perplexity = std::stod(perplexity);
  options.method = method;
  return options;
}

at::Tensor dense(const SparseMatrix& p) {
  const int64_t n = p.offsets.size(0) - 1;
  const at::Tensor lengths = p.offsets.diff();
  const at::Tensor rows = at::repeat_interleave(at::arange(n), lengths);
  at::Tensor all = at::zeros({n, n}, at::kDouble);
  all.index_put_({rows, p.columns}, p.values);
  return all;
}

double largest(const at::Tensor& values) { return values.abs().max().item<double>(); }

class GoldenEmbed : public testing::TestWithParam<std::string> {};

TEST_P(GoldenEmbed, NeighboursAreTheReferences) {
  const Golden golden(GetParam());
  for (const auto& [name, metric] : std::map<std::string, Metric>{{"euclidean", Metric::kEuclidean},
                                                                  {"cosine", Metric::kCosine}}) {
    const at::Tensor& index = golden.tensors.at("knn." + name + ".index");
    const int64_t k = index.size(1) - 1;
    const Neighbours found = nearest_neighbours(golden.x, k, metric);
    EXPECT_TRUE(found.index.equal(index.slice(1, 1))) << name;
    EXPECT_LT(
        max_difference(found.distance, golden.tensors.at("knn." + name + ".distance").slice(1, 1)),
        kFloat64)
        << name;
  }
}

TEST_P(GoldenEmbed, ComponentsAreTheReferencesUpToSign) {
  const Golden golden(GetParam());
  const at::Tensor& expected = golden.tensors.at("pca.components");
  const Pca found = principal_components(golden.x, expected.size(0));
  const at::Tensor sign = (found.components * expected).sum(1, true).sign();
  EXPECT_LT(max_difference(found.components, sign * expected), kFloat64);
  EXPECT_LT(max_difference(found.mean, golden.tensors.at("pca.mean")), kFloat64);
  EXPECT_LT(max_difference(found.projected, golden.tensors.at("pca.projected") * sign.t()), 1e-8);
  for (int64_t i = 0; i < expected.size(0); ++i) {
    const nlohmann::json& pca = golden.notes["pca"];
    EXPECT_NEAR(found.variance[i].item<double>(), pca["explained_variance"][i], kFloat64);
    EXPECT_NEAR(found.variance_share[i].item<double>(), pca["explained_variance_ratio"][i],
                kFloat64);
  }
}

TEST_P(GoldenEmbed, SilhouettesAreTheReferences) {
  const Golden golden(GetParam());
  const at::Tensor& labels = golden.tensors.at("labels");
  const Silhouette found = silhouette(golden.x, labels);
  EXPECT_LT(max_difference(found.of_point, golden.tensors.at("silhouette.samples")), kFloat64);
  EXPECT_NEAR(found.mean, golden.notes["silhouette"]["euclidean"], kFloat64);
  EXPECT_NEAR(silhouette(golden.x, labels, Metric::kCosine).mean,
              golden.notes["silhouette"]["cosine"], kFloat64);
}

TEST_P(GoldenEmbed, AffinitiesAreTheReferences) {
  const Golden golden(GetParam());
  const int64_t n = golden.x.size(0);
  for (const std::string& perplexity : golden.perplexities) {
    const Neighbours all = nearest_neighbours(golden.x, n - 1);
    const ConditionalAffinities found = conditional_affinities(all.distance, std::stod(perplexity));
    EXPECT_LT(max_difference(found.beta / golden.of(perplexity, "beta"), at::ones({n})), kFloat64);
    at::Tensor p = at::zeros({n, n}, at::kDouble);
    p.scatter_(1, all.index, found.p);
    // Stored as float32.
    EXPECT_LT(max_difference(p, golden.of(perplexity, "P_conditional_exact")), 1e-7);

    const at::Tensor joint = dense(joint_affinities(all, found.p));
    const at::Tensor& expected = golden.of(perplexity, "P_sklearn");
    EXPECT_LT(max_difference(joint, expected), 1e-4 * largest(expected));
    EXPECT_NEAR(joint.sum().item<double>(), 1, 1e-12);

    const SparseMatrix near = tsne_affinities(golden.x, options_of(perplexity, TsneMethod::kGrid));
    EXPECT_TRUE(near.offsets.equal(golden.of(perplexity, "P_sklearn_knn.indptr")));
    const SparseMatrix reference{golden.of(perplexity, "P_sklearn_knn.indptr"),
                                 golden.of(perplexity, "P_sklearn_knn.indices"),
                                 golden.of(perplexity, "P_sklearn_knn.values").to(at::kDouble)};
    EXPECT_LT(max_difference(dense(near), dense(reference)), 1e-4 * largest(reference.values));
  }
}

TEST_P(GoldenEmbed, ObjectiveAndGradientAreTheReferences) {
  const Golden golden(GetParam());
  for (const std::string& perplexity : golden.perplexities) {
    const nlohmann::json& notes = golden.notes["objective_" + perplexity];
    const at::Tensor& y = golden.of(perplexity, "Y");
    const SparseMatrix all = tsne_affinities(golden.x, options_of(perplexity, TsneMethod::kExact));
    const TsneObjective exact = tsne_objective(all, y, TsneMethod::kExact);
    EXPECT_NEAR(exact.kl, notes["kl_transcription"], 1e-9);
    const at::Tensor& gradient = golden.of(perplexity, "gradient");
    EXPECT_LT(max_difference(exact.gradient, gradient), 1e-5 * largest(gradient));

    const SparseMatrix near = tsne_affinities(golden.x, options_of(perplexity, TsneMethod::kGrid));
    const at::Tensor& angle0 = golden.of(perplexity, "gradient_bh_0.0");
    const TsneObjective sparse = tsne_objective(near, y, TsneMethod::kExact);
    // Sums of some hundred float32 terms, and a P within 1e-4.
    EXPECT_LT(max_difference(sparse.gradient, angle0), 2e-4 * largest(angle0));
    EXPECT_NEAR(sparse.kl, notes["barnes_hut_angle_0.0"], 2e-4);
    // Of the reference's Barnes-Hut error the README says "a few percent"; ours is far smaller.
    const TsneObjective grid = tsne_objective(near, y, TsneMethod::kGrid);
    EXPECT_LT(max_difference(grid.gradient, golden.of(perplexity, "gradient_bh_0.5")),
              0.05 * largest(angle0));
    EXPECT_LT(max_difference(grid.gradient, sparse.gradient), 2e-3 * largest(angle0));
    EXPECT_NEAR(grid.kl, sparse.kl, 1e-4);
  }
}

TEST_P(GoldenEmbed, MapsAreAsGoodAsTheReferences) {
  const Golden golden(GetParam());
  for (const std::string& perplexity : golden.perplexities) {
    const nlohmann::json& accept = golden.notes["tsne_" + perplexity]["accept"];
    const SparseMatrix all = tsne_affinities(golden.x, options_of(perplexity, TsneMethod::kExact));
    for (const TsneMethod method : {TsneMethod::kExact, TsneMethod::kGrid}) {
      for (const bool from_stored : {false, true}) {
        if (from_stored && method == TsneMethod::kGrid) continue;
        TsneOptions options = options_of(perplexity, method);
        if (from_stored) options.start = golden.of(perplexity, "init");
        const TsneMap map = tsne(golden.x, options);
        EXPECT_LT(tsne_objective(all, map.y, TsneMethod::kExact).kl, accept["kl_exact_max"]);
        EXPECT_GT(trustworthiness(golden.x, map.y, 12), accept["trustworthiness_min"]);
      }
    }
  }
}

TEST_P(GoldenEmbed, TrustworthinessIsTheReferences) {
  const Golden golden(GetParam());
  for (const std::string& perplexity : golden.perplexities) {
    const nlohmann::json& run = golden.notes["tsne_" + perplexity]["runs"]["sklearn_exact"];
    // Over float32 coordinates, where neighbours may change places: one rank of n k (2n - 3k).
    EXPECT_NEAR(trustworthiness(golden.x, golden.of(perplexity, "sklearn_exact"), 12),
                run["trustworthiness_12"], 1e-6);
  }
}

TEST(GoldenEmbedFolder, HasCases) {
  EXPECT_FALSE(golden_files("embed", ".safetensors").empty()) << golden_topic("embed");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenEmbed);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenEmbed,
                         testing::ValuesIn(golden_files("embed", ".safetensors")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
