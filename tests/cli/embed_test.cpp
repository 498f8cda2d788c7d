#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"

namespace weir {
namespace {

const std::string kData = kGolden + "/embed/sparse150.safetensors";

TEST_F(Cli, EmbedTsneSavesAMapAndItsFigures) {
  const std::string verb = "embed tsne --data " + kData + ":x --perplexity 12 --iterations 250 " +
                           "--color " + kData + ":labels --json";
  const auto run =
      run_weir(verb + " --html " + path("map.html") + " --save " + path("m.safetensors"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto result = run.json()["result"];
  EXPECT_EQ(result["n"], 150);
  EXPECT_LT(result["kl_divergence"],
            0.4);  // as good as the golden bound within a third of the steps
  EXPECT_GT(result["trustworthiness_12"], 0.95);
  EXPECT_GT(result["silhouette_map"], 0.3);
  EXPECT_EQ(tensor(path("m.safetensors"), "embedding").sizes(), (at::IntArrayRef{150, 2}));
  EXPECT_NE(file_text(path("map.html")).find("t-SNE 1"), std::string::npos);
  EXPECT_EQ(run_weir(verb).json()["result"]["kl_divergence"], result["kl_divergence"]);
}

TEST_F(Cli, EmbedSamplesRowsAndKeepsTheirNumbers) {
  const auto run = run_weir("embed knn --data " + kData + ":x --sample 40 --seed 3 --k 4 --save " +
                            path("g.safetensors") + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const at::Tensor rows = tensor(path("g.safetensors"), "rows");
  const at::Tensor index = tensor(path("g.safetensors"), "index");
  EXPECT_EQ(rows.size(0), 40);
  EXPECT_GT(rows.max().item<int64_t>(), 40);  // numbers of the file, not of the sample
  EXPECT_TRUE(at::isin(index, rows).all().item<bool>());
}

TEST_F(Cli, EmbedPcaGivesTheGoldenVariances) {
  const auto run = run_weir("embed pca --data " + kData + ":x --components 3 --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const auto golden = nlohmann::json::parse(file_text(kGolden + "/embed/sparse150.json"));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(run.json()["result"]["variance"][i], golden["pca"]["explained_variance"][i], 1e-9);
  }
}

TEST_F(Cli, EmbedSaysWhatIsWrong) {
  EXPECT_EQ(run_weir("embed tsne --data " + kData + ":labels").status, 1);
  EXPECT_EQ(run_weir("embed tsne --data " + kData + ":x --perplexity 149").status, 1);
  EXPECT_EQ(run_weir("embed tsne --data " + kData + ":x --perplexity 0").status, 2);
  EXPECT_EQ(run_weir("embed knn --data " + kData + ":x --active 1").status, 1);
}

}  // namespace
}  // namespace weir
