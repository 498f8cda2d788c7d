#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

TEST_F(Cli, LensWritesAReportInEveryForm) {
  const auto run = run_weir("lens " + kStories + " 'Once upon a time' --json --html " +
                            path("lens.html") + " --csv " + path("csv"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto json = run.json();
  const auto& result = json.at("result");
  EXPECT_EQ(json.at("schema"), "weir.report/2");
  EXPECT_EQ(result.at("entropy").size(), result.at("points").size());
  EXPECT_EQ(result["entropy"][0].size(), result.at("tokens").size());
  // The last point is the model's own distribution.
  for (const auto& kl : result["kl_to_final"].back()) EXPECT_NEAR(kl.get<double>(), 0, 1e-4);
  EXPECT_EQ(json.at("provenance").at("model_sha256").get<std::string>().size(), 64u);
  EXPECT_NE(file_text(path("lens.html")).find("<svg"), std::string::npos);
  EXPECT_FALSE(std::filesystem::is_empty(path("csv")));
}

nlohmann::json lens(const std::string& options) {
  const auto run = run_weir("lens " + kStories + " --json " + options);
  EXPECT_EQ(run.status, 0) << run.error;
  return run.json().at("result");
}

TEST_F(Cli, LensJsonHoldsTheModelsOwnOutput) {
  const auto result = lens("'Once upon a time' --top-k 3");
  const size_t n = result.at("tokens").size();
  EXPECT_EQ(result.at("output_log_prob").size(), n - 1);
  EXPECT_EQ(result.at("output_rank").size(), n - 1);
  EXPECT_EQ(result.at("output_top_ids").size(), n);
  // The last stream with the final norm is what the output is computed from.
  EXPECT_EQ(result["output_top_ids"], result["top_ids"].back());
  EXPECT_EQ(result["output_top_log_probs"], result["top_log_probs"].back());
  EXPECT_EQ(result["output_log_prob"], result["next_log_prob"].back());
  EXPECT_EQ(result["output_rank"], result["next_rank"].back());
}

TEST_F(Cli, LensReadsTheSitesAskedFor) {
  const auto points = lens("hello --sites resid_mid,resid_post").at("points");
  EXPECT_EQ(points[1], "blocks.0.hook_resid_mid");
  EXPECT_EQ(points[2], "blocks.0.hook_resid_post");
  EXPECT_EQ(points.size(), 11u);  // The embedding and two for each of five layers.
  expect_usage_error("lens " + kStories + " hello --sites resid_end", "resid_mid");
  expect_usage_error("lens " + kStories, "PROMPT");
  expect_usage_error("lens " + kStories + " hello --top-k 0", "--top-k");
}

TEST_F(Cli, LensWithoutTheFinalNormIsNotTheModelsOutput) {
  const auto raw = lens("'Once upon a time' --no-final-norm");
  EXPECT_EQ(raw.at("final_norm"), false);
  EXPECT_GT(raw["kl_to_final"].back()[1].get<double>(), 1e-3);
  // What the model itself says does not depend on how its streams are read.
  EXPECT_EQ(raw["output_rank"], lens("'Once upon a time'")["output_rank"]);
}

TEST_F(Cli, LensAppliesInterventions) {
  const std::string file =
      write("zero.json", R"([{"where": "blocks.4.hook_resid_post", "op": "scale", "value": 0}])");
  const auto result = lens("'Once upon a time' --intervene " + file);
  // A stream of zeros gives every token the same probability.
  for (const auto& entropy : result["entropy"].back()) {
    EXPECT_NEAR(entropy.get<double>(), std::log(512.0), 1e-4);
  }
}

TEST_F(Cli, LensReadsAFileAsItReadsAnArgument) {
  const std::string file = write("text.txt", "Once upon a time");
  EXPECT_EQ(lens("--text-file " + file), lens("'Once upon a time'"));
}

// A model may have more rows than its vocabulary has tokens.
TEST_F(Cli, LensAndGenerateShowIdsThatHaveNoToken) {
  const std::string model = std::string(WEIR_GOLDEN_DIR) + "/padded_vocab/model";
  const auto run = run_weir("lens " + model + " hello --top-k 48 --json --html " +
                            path("lens.html") + " --csv " + path("csv"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto ids = run.json().at("result").at("output_top_ids").back();
  EXPECT_EQ(ids.size(), 48u);
  EXPECT_NE(run.out.find("<38>"), std::string::npos);
  EXPECT_NE(file_text(path("lens.html")).find("&lt;38&gt;"), std::string::npos);
  EXPECT_EQ(run_weir("lens " + model + " hello --top-k 1").status, 0);
  const auto told = run_weir("generate " + model + " hello --greedy --max-new 8 --json --html " +
                             path("told.html") + " --csv " + path("told"));
  EXPECT_EQ(told.status, 0) << told.error;
}

}  // namespace
