#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"
#include "weir/io/json.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kFormats = kGolden + "/sae-formats/";

TEST_F(Cli, SaeInfoSaysWhatADictionaryIs) {
  const auto run = run_weir("sae info " + kFormats + "saelens_topk --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json found = json::parse(run.out), cfg = io::read_json(kFormats + "saelens_topk/cfg.json");
  EXPECT_EQ(found["kind"], "topk");
  EXPECT_EQ(found["format"], "saelens");
  EXPECT_EQ(found["d_in"], cfg["d_in"]);
  EXPECT_EQ(found["d_sae"], cfg["d_sae"]);
  EXPECT_EQ(found["k"], cfg["k"]);
  EXPECT_EQ(found["hook"], cfg["metadata"]["hook_name"]);
  EXPECT_EQ(found["normalisation"], "none");
  EXPECT_EQ(found["weights"]["W_dec"], json({cfg["d_sae"], cfg["d_in"]}));
}

TEST_F(Cli, SaeEncodesWhatThePeerEncodes) {
  const std::string cases = kFormats + "cases.safetensors", out = path("encoded.safetensors");
  for (const std::string name : {"dl_gated", "saelens_hook_z"}) {
    const std::string x = name == "dl_gated" ? "x" : "x_heads";
    const auto run = run_weir("sae encode " + kFormats + name + " --acts " + cases + ":" + x +
                              " --save " + out + " --json");
    ASSERT_EQ(run.status, 0) << run.error;
    // The golden files' own tolerance.
    EXPECT_LT(largest_difference(tensor(out, "features"), tensor(cases, name + ".acts")), 1e-5);
    EXPECT_LT(largest_difference(tensor(out, "reconstruction"), tensor(cases, name + ".recon")),
              1e-5);
    const at::Tensor acts = tensor(cases, name + ".acts");
    EXPECT_NEAR(json::parse(run.out)["l0"].get<double>(),
                (acts != 0).to(at::kDouble).sum(-1).mean().item<double>(), 1e-9);
  }
}

TEST_F(Cli, SaeConvertKeepsLatentsAndTellsWhatItMoved) {
  const std::string cases = kFormats + "cases.safetensors", out = path("out.safetensors");
  const auto run = run_weir("sae convert " + kFormats + "dl_batchtopk " + path("made") +
                            " --to gemma-scope --json");
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_THAT(json::parse(run.out)["notes"].dump(), ::testing::HasSubstr("b_dec W_enc"));
  ASSERT_EQ(run_weir("sae encode " + path("made") + " --acts " + cases + ":x --save " + out).status,
            0);
  // b_dec moved into b_enc: one more rounding of sums of 16 products.
  EXPECT_LT(largest_difference(tensor(out, "features"), tensor(cases, "dl_batchtopk.acts")), 1e-5);
}

TEST_F(Cli, SaeRefusesInOneLine) {
  for (const auto& [arguments, word] : std::vector<std::pair<std::string, std::string>>{
           {"sae info " + kFormats + "bad_nan", "b_enc"},
           {"sae info " + kFormats + "bad_two_formats", "params.npz"},
           {"sae info " + kFormats + "qwen_scope", "--k"},
           {"sae info " + kFormats, "dictionaries"},
           {"sae convert " + kFormats + "saelens_gated " + path("x") + " --to sparsify",
            "gated"}}) {
    const auto run = run_weir(arguments);
    EXPECT_EQ(run.status, 1) << arguments;
    EXPECT_NE(run.error.find(word), std::string::npos) << run.error;
    EXPECT_EQ(std::count(run.error.begin(), run.error.end(), '\n'), 1) << run.error;
  }
  expect_usage_error("sae convert a b --to zip", "--to");
}

}  // namespace
}  // namespace weir
