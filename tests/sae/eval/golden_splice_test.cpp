// Dictionaries in a model's run against SAEBench and float64 logits (golden topic sae-metrics):
// losses with reconstructions spliced in, with ablations, and SAEBench's output file.
#include "tests/model/golden_model.h"
#include "tests/sae/eval/golden_metrics.h"
#include "tests/support/max_difference.h"
#include "weir/lm/language_model.h"
#include "weir/sae/eval/core_evaluation.h"
#include "weir/sae/eval/eval_result.h"
#include "weir/sae/splice/splice.h"
#include "weir/tensor/vocab_stats.h"

namespace weir::testing {
namespace {

std::vector<std::string> splice_cases() {
  std::vector<std::string> cases;
  for (const std::string& name : golden_files("sae-metrics", ".safetensors")) {
    if (name.rfind("core_", 0) == 0) cases.push_back(name);
  }
  return cases;
}

class GoldenSaeMetricsSplice : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenSaeMetricsSplice()
      : golden_(read_metrics(GetParam())),
        lm_(LanguageModel::load(golden_case(golden_.notes["model"].get<std::string>()))),
        sae_(golden_.sae()) {
    sae_.config.hook = golden_.notes["hook"];
    if (sae_.config.hook.find("hook_z") != std::string::npos) {
      sae_.config.hook_head_shape = "hook_z";
    }
  }
  CoreEvaluation evaluate() const {
    CoreOptions options;
    options.batch = golden_.tensor("tokens").size(0) / golden_.notes["n_batches"].get<int64_t>();
    options.filter.skip_positions = 0;
    options.filter.max_norm_multiple = 0;
    options.filter.skip_tokens = golden_.notes["ignore_tokens"].get<std::vector<int64_t>>();
    return evaluate_core(lm_, {&sae_}, golden_.tensor("tokens"), options)[0];
  }

  GoldenMetrics golden_;
  LanguageModel lm_;
  Sae sae_;
};

TEST_P(GoldenSaeMetricsSplice, LogitsWithTheReconstruction) {
  SpliceOptions splicing;
  splicing.mask = golden_.tensor("mask") != 0;
  RunOptions options;
  options.hooks = splice(sae_, splicing);
  const at::Tensor logits = lm_.run({golden_.tensor("tokens"), {}}, options).logits;
  EXPECT_LT(max_difference(logits, golden_.tensor("logits_sae")), 2e-4);  // as golden models
}

TEST_P(GoldenSaeMetricsSplice, Losses) {
  const CoreEvaluation found = evaluate();
  const auto& reference = golden_.notes["reference"];
  const auto value = [&](const std::string& key) { return found.by_prompt.at(key).value(); };
  for (const auto& [arm, ce] : reference["ce"].items()) {
    EXPECT_NEAR(value("ce_" + arm), ce.get<double>(), 1e-4) << arm;
  }
  for (const auto& [arm, kl] : reference["kl"].items()) {
    EXPECT_NEAR(value("kl_" + arm), kl.get<double>(), 1e-4) << arm;
  }
  EXPECT_NEAR(value("delta_ce"), reference["delta_ce"].get<double>(), 1e-5);
  // Ratios of small differences of losses: their error is that of the losses over the denominator.
  const auto expect_share = [&](const char* key, const char* name, double below) {
    EXPECT_NEAR(value(key), reference[name].get<double>(), 2e-4 / std::abs(below)) << key;
  };
  const auto& ce = reference["ce"];
  expect_share("ce_recovered", "ce_recovered",
               ce["zero"].get<double>() - ce["clean"].get<double>());
  expect_share("ce_recovered_mean", "ce_recovered_mean",
               ce["mean"].get<double>() - ce["clean"].get<double>());
  expect_share("kl_recovered", "kl_score", reference["kl"]["zero"]);
}

/// Every number of `expected` that SAEBench also has is in `found`, in the same place.
void expect_numbers(const nlohmann::ordered_json& found, const nlohmann::json& expected,
                    const std::string& path) {
  for (const auto& [key, value] : expected.items()) {
    ASSERT_TRUE(found.contains(key)) << path << key;
    if (value.is_object()) {
      expect_numbers(found[key], value, path + key + ".");
    } else if (value.is_number()) {
      expect_close(found[key].get<double>(), value, path + key, 2e-4);
    }
  }
}

TEST_P(GoldenSaeMetricsSplice, AllMetricsOfSaeBench) {
  const nlohmann::ordered_json found = core_metrics(evaluate(), sae_, 0);
  nlohmann::ordered_json flat;
  for (const auto& [category, metrics] : found.items()) {
    if (category.rfind("weir", 0) != 0) flat.update(metrics);
  }
  nlohmann::json expected = golden_.notes["sae_bench"];
  expected.erase("ce_loss_score");  // of a random model: in Losses, by its denominator
  expect_numbers(flat, expected, "");
}

TEST_P(GoldenSaeMetricsSplice, OutputFile) {
  const auto file = io::read_json(golden_topic("sae-metrics") / "core_eval_results.json");
  if (file["sae_lens_id"] != golden_.notes["hook"] ||
      file["eval_config"]["model_name"] != golden_.notes["model"] ||
      !golden_.notes["ignore_tokens"].empty()) {
    GTEST_SKIP() << "the file is another case's";
  }
  const CoreEvaluation evaluation = evaluate();
  const EvalSubject subject{file["sae_lens_release_id"], file["sae_lens_id"],
                            file["eval_config"]["model_name"]};
  const auto found = eval_document(
      "core", subject, sae_, {{"model_name", subject.model}}, core_metrics(evaluation, sae_, 0),
      core_details(evaluation, sae_), nlohmann::ordered_json::object());
  for (const auto& [key, value] : file.items()) EXPECT_TRUE(found.contains(key)) << key;
  nlohmann::json metrics = file["eval_result_metrics"];
  metrics["model_performance_preservation"].erase("ce_loss_score");
  expect_numbers(found["eval_result_metrics"], metrics, "");
  for (size_t i = 0; i < file["eval_result_details"].size(); ++i) {
    expect_numbers(found["eval_result_details"][i], file["eval_result_details"][i], "details.");
  }
  EXPECT_EQ(found["eval_id"].get<std::string>().size(), file["eval_id"].get<std::string>().size());
}

// Large logits: what log(softmax) in float32 cannot say.
TEST(GoldenSaeMetricsKl, OfExtremeLogits) {
  const GoldenMetrics golden = read_metrics("kl_extreme");
  const at::Tensor original = golden.tensor("original");
  const int64_t n = original.size(0);
  VocabStatsOptions options;
  options.entropy = false;
  options.reference = at::arange(n, at::kLong).repeat({2});
  const at::Tensor kl = vocab_stats(at::cat({original, golden.tensor("new")}),
                                    Matrix(at::eye(original.size(1))), {}, options)
                            .kl.slice(0, n);
  const at::Tensor expected = golden.tensor("kl");
  EXPECT_LT(((kl - expected).abs() / expected.abs().clamp_min(1)).max().item<double>(), 1e-5);
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSaeMetricsSplice);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSaeMetricsSplice, ::testing::ValuesIn(splice_cases()),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
