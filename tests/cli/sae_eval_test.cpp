#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "tests/support/read_all.h"
#include "weir/io/json.h"
#include "weir/sae/formats/sae_file.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kCase = kGolden + "/sae-metrics/core_llama_gqa_tied_z";
const std::string kOf = " --model " + kGolden + "/models/llama_gqa_tied --text " + kCase +
                        ".safetensors:tokens --evals core --skip-positions 0 --max-norm 0 "
                        "--batch 4 --length 16 --json ";

class CliSae : public Cli {
 protected:
  /// The golden's dictionary, its decoder moved a little; the folder it is in.
  std::string dictionary(const std::string& name, double noise = 0) const {
    Sae sae;
    for (const auto& [key, value] : read_all(kCase + ".safetensors")) {
      if (key.rfind("sae.", 0) == 0) sae.weights[key.substr(4)] = value.clone();
    }
    const at::Tensor W_dec = sae.weight("W_dec");
    if (noise > 0) sae.weights["W_dec"] = W_dec + noise * at::randn_like(W_dec);
    sae.config.kind = "jumprelu";
    sae.config.d_sae = W_dec.size(0);
    sae.config.d_in = sae.config.d_out = W_dec.size(1);
    sae.config.hook = io::read_json(kCase + ".json")["hook"];
    sae.config.hook_head_shape = "hook_z";
    save_sae(sae, path(name));
    return path(name);
  }
};

TEST_F(CliSae, EvalGivesSaeBenchsNumbersInItsFile) {
  const auto run = run_weir("sae eval " + dictionary("run/one") + kOf + "--loss-rows 0 --save " +
                            path("out") + " --html " + path("page.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json found = json::parse(run.out)["core"];
  const json expected = io::read_json(kCase + ".json")["sae_bench"];
  const auto near = [&](const char* category, const char* key) {
    EXPECT_NEAR(found[category][key].get<double>(), expected[key].get<double>(),
                2e-4 * std::max(1.0, std::abs(expected[key].get<double>())))
        << key;
  };
  near("reconstruction_quality", "explained_variance");
  near("sparsity", "l0");
  near("model_performance_preservation", "ce_loss_with_sae");
  near("model_behavior_preservation", "kl_div_with_sae");
  EXPECT_GT(found["weir_core"]["ev_total_high"], found["weir_core"]["ev_total_low"]);
  const json file = io::read_json(path("out/core/run_one_eval_results.json"));
  EXPECT_EQ(file["eval_type_id"], "core");
  EXPECT_EQ(file["eval_result_details"].size(), file["sae_cfg_dict"]["d_sae"].get<size_t>());
  EXPECT_NE(file_text(path("page.html")).find("Densities"), std::string::npos);
}

TEST_F(CliSae, CompareSaysWhatIsNoise) {
  const std::string arms = " good=" + dictionary("a1", 0.01) + "," + dictionary("a2", 0.01) +
                           " same=" + dictionary("b/1", 0.01) + "," + dictionary("b/2", 0.01) +
                           " bad=" + dictionary("c/1", 1) + "," + dictionary("c/2", 1);
  const auto run = run_weir("sae compare" + arms + kOf + "--seeds 2 --html " + path("c.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json ev = json::parse(run.out)["ev_total"];
  EXPECT_EQ(ev["good"]["by_seed"].size(), 2U);
  EXPECT_EQ(ev["bad"]["difference"]["verdict"], "differs");
  EXPECT_LT(ev["bad"]["difference"]["mean"].get<double>(), -0.1);
  EXPECT_LT(std::abs(ev["same"]["difference"]["mean"].get<double>()), 0.01);
  // A folder of seeds is the same arm, and one seed each leaves their noise unknown.
  const auto folders = run_weir("sae compare " + path("b") + " " + path("c") + kOf);
  ASSERT_EQ(folders.status, 0) << folders.error;
  EXPECT_EQ(json::parse(folders.out)["ev_total"]["b"]["by_seed"].size(), 2U);
  const auto single = run_weir("sae compare " + path("a1") + " " + path("a2") + kOf);
  ASSERT_EQ(single.status, 0) << single.error;
  const json difference = json::parse(single.out)["ev_total"]["a2"]["difference"];
  EXPECT_EQ(difference["verdict"], "reseed noise unknown");
  EXPECT_TRUE(difference["on_text_low"].is_number());
  EXPECT_NE(run_weir("sae compare " + path("a1") + " " + path("a2") + kOf + "--seeds 2").status, 0);
}

TEST_F(CliSae, KnownFeaturesAreFound) {
  const std::string truth = path("truth.safetensors");
  const auto made = run_weir("sae synth --out " + truth + " --features 40 --d 24 --samples 2000");
  ASSERT_EQ(made.status, 0) << made.error;
  Sae sae;
  const at::Tensor directions = tensor(truth, "directions").clone();
  sae.config.d_in = sae.config.d_out = 24;
  sae.config.d_sae = 40;
  sae.config.hook = "truth";
  sae.weights = {{"W_enc", directions.t().contiguous()},
                 {"b_enc", at::full({40}, -0.4)},
                 {"W_dec", directions},
                 {"b_dec", at::zeros({24})}};
  save_sae(sae, path("sae"));
  const auto run = run_weir("sae eval " + path("sae") + " --truth " + truth + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json found = json::parse(run.out)["weir_superposition"]["superposition"];
  EXPECT_NEAR(found["mcc"].get<double>(), 1, 1e-6);
  EXPECT_GT(found["f1"].get<double>(), 0.4);
}

TEST_F(CliSae, EvalSaysWhatIsMissing) {
  expect_usage_error("sae eval " + dictionary("one") + " --model " + kStories, "--text");
  expect_usage_error("sae eval " + path("one") + " --text x", "--model");
  expect_usage_error("sae eval " + path("one") + " --evals nothing", "--evals");
  expect_usage_error("sae eval " + path("one") + " --evals scr --model " + kStories, "attribute");
}

}  // namespace
}  // namespace weir
