#include <filesystem>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"

namespace {

TEST_F(Cli, RunSavesTheReferencesLogitsAndStreams) {
  const auto run =
      run_weir("run " + kLlama + " --tokens " + kLlamaExpected + ":tokens --names " +
               "'blocks.*.hook_resid_pre,*.hook_pattern' --save " + path("out.safetensors"));
  ASSERT_EQ(run.status, 0) << run.error;
  const std::string expected = kLlama + "/expected.safetensors", saved = path("out.safetensors");
  EXPECT_LT(largest_difference(tensor(saved, "logits"), tensor(expected, "logits")), 1e-4);
  EXPECT_LT(largest_difference(tensor(saved, "blocks.1.hook_resid_pre"),
                               tensor(expected, "hidden_states.1")),
            1e-4);
  EXPECT_LT(largest_difference(tensor(saved, "blocks.0.attn.hook_pattern"),
                               tensor(expected, "attentions.0")),
            1e-4);
  EXPECT_TRUE(at::equal(tensor(saved, "tokens"), tensor(expected, "tokens")));
}

TEST_F(Cli, RunHonoursTheMaskOfALeftPaddedBatch) {
  const std::string expected = kLlama + "/expected.safetensors";
  const auto run = run_weir("run " + kLlama + " --tokens " + expected + ":leftpad.tokens --mask " +
                            expected + ":leftpad.attention_mask --save " + path("out.safetensors"));
  ASSERT_EQ(run.status, 0) << run.error;
  const at::Tensor mask = tensor(expected, "leftpad.attention_mask").to(at::kBool);
  const at::Tensor difference =
      (tensor(path("out.safetensors"), "logits") - tensor(expected, "leftpad.logits"))
          .abs()
          .amax(-1);
  EXPECT_LT(difference.masked_select(mask).max().item<double>(), 1e-4);
}

TEST_F(Cli, RunAppliesInterventionsFromAFile) {
  std::ofstream(path("zero.json"))
      << R"([{"where": "blocks.1.hook_resid_post", "op": "scale", "value": 0}])";
  const auto run =
      run_weir("run " + kLlama + " --tokens " + kLlama +
               "/expected.safetensors --names ln_final.hook_normalized" + " --intervene " +
               path("zero.json") + " --save " + path("out.safetensors"));
  ASSERT_EQ(run.status, 0) << run.error;
  const at::Tensor last = tensor(path("out.safetensors"), "logits");
  // A stream of zeros says the same at every position.
  EXPECT_LT(largest_difference(last[0][0], last[0][5]), 1e-6);
  EXPECT_EQ(tensor(path("out.safetensors"), "ln_final.hook_normalized").abs().max().item<float>(),
            0);
}

TEST_F(Cli, AnUnknownActivationIsOneLineWithNearNames) {
  const auto run = run_weir("run " + kLlama + " --tokens " + kLlama +
                            "/expected.safetensors --names blocks.0.hook_resid_pst --save " +
                            path("out.safetensors"));
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1);
  EXPECT_NE(run.error.find("blocks.0.hook_resid_post"), std::string::npos) << run.error;
  EXPECT_FALSE(std::filesystem::exists(path("out.safetensors")));
}

TEST_F(Cli, ABrokenModelIsOneLine) {
  std::filesystem::copy(kLlama, path("broken"));
  std::filesystem::resize_file(path("broken/model.safetensors"), 1000);
  const auto run = run_weir("run " + path("broken") + " --tokens " + kLlama +
                            "/expected.safetensors --save " + path("out.safetensors"));
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  EXPECT_NE(run.error.find("model.safetensors"), std::string::npos) << run.error;
}

// Runs the golden model on its own tokens; returns the logits.
at::Tensor logits_of(const std::string& options, const std::string& file) {
  const auto run = run_weir("run " + kLlama + " --tokens " + kLlamaExpected + " --save " + file +
                            " --quiet " + options);
  EXPECT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run.out, "");
  return tensor(file, "logits");
}

TEST_F(Cli, RunWithFoldedWeightsHasTheSameLogProbabilities) {
  const at::Tensor plain = logits_of("", path("plain.safetensors"));
  const at::Tensor folded = logits_of("--process fold", path("fold.safetensors"));
  // Centring the unembedding moves all logits of a position alike.
  EXPECT_LT(largest_difference(plain.log_softmax(-1), folded.log_softmax(-1)), 1e-4);
  EXPECT_EQ(weir::io::read_safetensors(path("fold.safetensors")).metadata.at("processing"), "fold");
}

TEST_F(Cli, RunComputesInTheDtypeAskedFor) {
  const at::Tensor plain = logits_of("", path("plain.safetensors"));
  const at::Tensor rough =
      logits_of("--dtype bf16 --names blocks.0.hook_resid_post", path("bf16.safetensors"));
  EXPECT_EQ(tensor(path("bf16.safetensors"), "blocks.0.hook_resid_post").scalar_type(),
            at::kBFloat16);
  // Some 20 roundings a layer, at hook points only, each off by at most 2^-9 of its value whatever
  // the CPU: the root of 2 x 20 of them is 0.012 of it, and 0.05 allows the largest four times
  // that.
  EXPECT_LT(largest_difference(plain, rough), 0.05 * plain.abs().max().item<double>());
  EXPECT_GT(largest_difference(plain, rough), 0);
  expect_usage_error("run " + kLlama + " --tokens x --save y --dtype int3", "bfloat16");
}

TEST_F(Cli, RunTakesTheThreadsItIsGiven) {
  const std::string line =
      "run " + kLlama + " --tokens " + kLlamaExpected + " --save " + path("out.safetensors");
  const auto run = run_weir(line + " --threads 1 --json");
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run.json().at("provenance").at("threads"), 1);
  expect_usage_error(line + " --threads -1", "--threads: expected an integer from 0 to");
}

TEST_F(Cli, ADeviceThatIsNotHereIsOneLine) {
  const std::string line = "run " + kLlama + " --tokens x --save y --device ";
  expect_usage_error(line + "tpu", "expected cpu or cuda:N");
  expect_usage_error(line + "cuda:first", "expected cpu or cuda:N");
  if (at::hasCUDA()) GTEST_SKIP() << "this LibTorch has CUDA";
  const auto run = run_weir(line + "cuda:0");
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  EXPECT_NE(run.error.find("use cpu"), std::string::npos) << run.error;
}

TEST_F(Cli, RunWantsOneInput) {
  const std::string line = "run " + kLlama + " --save " + path("out.safetensors");
  expect_usage_error(line, "--text");
  expect_usage_error(line + " --text a --tokens b", "give one of");
  expect_usage_error(line + " --text a --mask b", "--mask goes with --tokens");
  expect_usage_error(line + " --text a --text-file b", "--text or --text-file, found both");
  expect_usage_error(line + " --text a --process half", "none, fold");
}

// Writes one tensor to a file of its own; returns "FILE:KEY".
std::string stored(const std::string& file, const std::string& key, const at::Tensor& value) {
  weir::io::write_safetensors(file, {weir::to_view(key, value)}, {});
  return file + ":" + key;
}

TEST_F(Cli, RunRefusesTensorsThatAreNoIdsOrNoMask) {
  const at::Tensor ids = at::tensor({5, 6, 7, 8}, at::kLong).view({2, 2});
  const at::Tensor mask = at::tensor({0., 1., 1., 1.}).view({2, 2});
  const std::string good = stored(path("ids"), "tokens", ids);
  const auto run_with = [&](const std::string& tokens, const std::string& masked) {
    return run_weir("run " + kLlama + " --tokens " + tokens + " --mask " + masked + " --save " +
                    path("out.safetensors") + " --quiet");
  };
  // Additive: 0 keeps, a large negative number hides.
  const auto additive = run_with(good, stored(path("additive"), "m", (1 - mask) * -1e9));
  EXPECT_EQ(additive.status, 1);
  EXPECT_NE(additive.error.find("found -1000000000 at [0, 0]"), std::string::npos)
      << additive.error;
  const auto segments = run_with(good, stored(path("segments"), "m", mask.to(at::kLong) + 1));
  EXPECT_NE(segments.error.find("found 2 at [0, 1]"), std::string::npos) << segments.error;
  const auto halves =
      run_with(stored(path("halves"), "t", ids + 0.5), stored(path("m"), "m", mask));
  EXPECT_NE(halves.error.find("found 5.5 at [0, 0]"), std::string::npos) << halves.error;
  EXPECT_FALSE(std::filesystem::exists(path("out.safetensors")));

  // Whole floats and a mask of another type are what they say.
  const auto floats = run_with(stored(path("floats"), "t", ids.to(at::kFloat)),
                               stored(path("m"), "m", mask.to(at::kHalf)));
  ASSERT_EQ(floats.status, 0) << floats.error;
  const at::Tensor logits = tensor(path("out.safetensors"), "logits");
  ASSERT_EQ(run_with(good, stored(path("m"), "m", mask.to(at::kBool))).status, 0);
  EXPECT_TRUE(at::equal(logits, tensor(path("out.safetensors"), "logits")));
}

}  // namespace
