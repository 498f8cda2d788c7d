#include <filesystem>
#include <unistd.h>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/cli/command_run.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace {

namespace fs = std::filesystem;

const std::string kGolden = WEIR_GOLDEN_DIR;
const std::string kLlama = kGolden + "/models/llama_mha";
const std::string kStories = kGolden + "/llama2c/stories260K.bin";

class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("weir-cli-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

at::Tensor tensor(const std::string& file, const std::string& key) {
  return weir::to_tensor(weir::io::read_safetensors(file).at(key)).clone();
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

int count_lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

TEST_F(Cli, RunSavesTheReferencesLogitsAndStreams) {
  const auto run =
      run_weir("run " + kLlama + " --tokens " + kLlama + "/expected.safetensors:tokens --names " +
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
  EXPECT_LT(last.std().item<double>(), last.abs().max().item<double>() + 1);
  // A stream of zeros says the same at every position.
  EXPECT_LT(largest_difference(last[0][0], last[0][5]), 1e-6);
}

TEST_F(Cli, AnUnknownActivationIsOneLineWithNearNames) {
  const auto run = run_weir("run " + kLlama + " --tokens " + kLlama +
                            "/expected.safetensors --names blocks.0.hook_resid_pst --save " +
                            path("out.safetensors"));
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1);
  EXPECT_NE(run.error.find("blocks.0.hook_resid_post"), std::string::npos) << run.error;
  EXPECT_FALSE(fs::exists(path("out.safetensors")));
}

TEST_F(Cli, WrongUsageExitsWithTwo) {
  EXPECT_EQ(run_weir("").status, 2);
  EXPECT_EQ(run_weir("lense x").status, 2);
  EXPECT_NE(run_weir("lense x").error.find("lens"), std::string::npos);
  EXPECT_EQ(run_weir("run " + kLlama).status, 2);
  EXPECT_EQ(run_weir("generate " + kStories + " hi --max-new many").status, 2);
  EXPECT_EQ(run_weir("lens " + kStories + " hi --no-such-option").status, 2);
}

TEST_F(Cli, EveryVerbExplainsItselfWithAnExample) {
  for (const char* verb :
       {"models", "models list", "models pull", "models info", "models convert", "run", "generate",
        "chat", "tokenize", "inspect", "lens", "bench", "completion"}) {
    const auto run = run_weir(std::string(verb) + " --help", "COLUMNS=72");
    EXPECT_EQ(run.status, 0);
    EXPECT_NE(run.out.find("EXAMPLES"), std::string::npos) << verb;
    EXPECT_NE(run.out.find("weir " + std::string(verb)), std::string::npos) << verb;
  }
}

TEST_F(Cli, ABrokenModelIsOneLine) {
  fs::copy(kLlama, path("broken"));
  fs::resize_file(path("broken/model.safetensors"), 1000);
  const auto run = run_weir("run " + path("broken") + " --tokens " + kLlama +
                            "/expected.safetensors --save " + path("out.safetensors"));
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  EXPECT_NE(run.error.find("model.safetensors"), std::string::npos) << run.error;
}

TEST_F(Cli, AMissingModelSaysHowToGetIt) {
  const auto run = run_weir("lens no-such-model hello", "WEIR_HOME=" + path("empty"));
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("weir models pull"), std::string::npos) << run.error;
}

TEST_F(Cli, GenerateGivesTheContractsFields) {
  const auto run =
      run_weir("generate " + kStories + " 'Once upon a time' --greedy --max-new 40 --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const auto json = run.json();
  EXPECT_EQ(json.at("tokens").size(), 40u);
  EXPECT_EQ(json.at("logprobs").size(), 40u);
  EXPECT_GT(json.at("prompt_tokens").size(), 3u);
  EXPECT_GT(json.at("tokens_per_second").get<double>(), 0);
  // llama2.c's documentation of this model (stories260K.md) shows its greedy story.
  const std::string story =
      "Once upon a time, there was a little girl named Lily. She loved to play outside in the "
      "park. One day, she saw "
      "a big, red ball.";
  const std::string said = "Once upon a time" + json.at("text").get<std::string>();
  EXPECT_EQ(said.substr(0, story.size()), story.substr(0, said.size()));
  for (const auto& value : json.at("logprobs")) EXPECT_LE(value.get<double>(), 0);
}

TEST_F(Cli, GenerateStreamsWhatJsonSays) {
  const auto json =
      run_weir("generate " + kStories + " 'Once upon' --greedy --max-new 12 --json").json();
  const auto text = run_weir("generate " + kStories + " 'Once upon' --greedy --max-new 12 --quiet");
  EXPECT_EQ(text.out, "Once upon" + json.at("text").get<std::string>() + "\n");
}

TEST_F(Cli, SamplesOfOnePromptDifferAndRepeatWithTheSeed) {
  const std::string line =
      "generate " + kStories + " 'One day' --max-new 10 --samples 3 --seed 5 --json";
  const auto first = run_weir(line).json(), second = run_weir(line).json();
  ASSERT_EQ(first.at("samples").size(), 3u);
  EXPECT_NE(first["samples"][0]["tokens"], first["samples"][1]["tokens"]);
  EXPECT_EQ(first["samples"], second["samples"]);
}

TEST_F(Cli, TokenizeGivesIdsTokensAndOffsets) {
  const auto json = run_weir("tokenize " + kStories + " 'One day' --json").json();
  EXPECT_EQ(json.at("ids").size(), json.at("tokens").size());
  EXPECT_EQ(json.at("ids").size(), json.at("offsets").size());
  EXPECT_EQ(json["offsets"].back()[1], 7);
}

TEST_F(Cli, LensWritesAReportInEveryForm) {
  const auto run = run_weir("lens " + kStories + " 'Once upon a time' --json --html " +
                            path("lens.html") + " --csv " + path("csv"));
  ASSERT_EQ(run.status, 0) << run.error;
  const auto json = run.json();
  const auto& result = json.at("result");
  EXPECT_EQ(json.at("schema"), "weir.report/1");
  EXPECT_EQ(result.at("entropy").size(), result.at("points").size());
  EXPECT_EQ(result["entropy"][0].size(), result.at("tokens").size());
  // The last point is the model's own distribution.
  for (const auto& kl : result["kl_to_final"].back()) EXPECT_NEAR(kl.get<double>(), 0, 1e-4);
  EXPECT_EQ(json.at("provenance").at("model_sha256").get<std::string>().size(), 64u);
  EXPECT_NE(file_text(path("lens.html")).find("<svg"), std::string::npos);
  EXPECT_FALSE(fs::is_empty(path("csv")));
}

TEST_F(Cli, TextFitsTheTerminalAndHasNoColourWhenToldSo) {
  const auto run =
      run_weir("inspect " + kLlama + "/model.safetensors", "COLUMNS=60 NO_COLOR=1 LC_ALL=C.UTF-8");
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(columns, 60) << line;
  }
}

TEST_F(Cli, InspectReadsEveryFormat) {
  const auto format = [](const std::string& file) {
    const auto run = run_weir("inspect " + file + " --json");
    EXPECT_EQ(run.status, 0) << run.error;
    EXPECT_FALSE(run.json().at("tensors").empty()) << file;
    return run.json().at("format").get<std::string>();
  };
  EXPECT_EQ(format(kLlama + "/model.safetensors"), "safetensors");
  EXPECT_EQ(format(kGolden + "/models/gpt2_sharded/model.safetensors.index.json"),
            "safetensors, sharded");
  EXPECT_EQ(format(kGolden + "/gguf/tiny.gguf"), "GGUF v3");
  EXPECT_EQ(format(kStories), "llama2.c");
}

TEST_F(Cli, InfoDescribesAModel) {
  const auto json = run_weir("models info " + kGolden + "/models/llama_gqa_tied --json").json();
  EXPECT_EQ(json.at("family"), "llama");
  EXPECT_EQ(json.at("heads"), 6);
  EXPECT_EQ(json.at("kv_heads"), 2);
  EXPECT_EQ(json.at("tied_embedding"), true);
  EXPECT_GT(json.at("parameters").get<int64_t>(), 1000);
  EXPECT_EQ(json.at("memory_bytes").get<int64_t>(), json.at("parameters").get<int64_t>() * 4);
}

TEST_F(Cli, AConvertedModelGivesTheSameLogits) {
  const std::string tokens = kLlama + "/expected.safetensors";
  ASSERT_EQ(run_weir("models convert " + kLlama + " " + path("hf") + " --quiet").status, 0);
  ASSERT_EQ(
      run_weir("run " + path("hf") + " --tokens " + tokens + " --save " + path("a.safetensors"))
          .status,
      0);
  ASSERT_EQ(
      run_weir("run " + kLlama + " --tokens " + tokens + " --save " + path("b.safetensors")).status,
      0);
  EXPECT_TRUE(
      at::equal(tensor(path("a.safetensors"), "logits"), tensor(path("b.safetensors"), "logits")));
}

TEST_F(Cli, ChatNeedsATemplateOnceSomethingIsSaid) {
  EXPECT_EQ(run_weir("chat " + kStories + " --greedy < /dev/null").status, 0);
  std::ofstream(path("said.txt")) << "hello\n";
  const auto run = run_weir("chat " + kStories + " --greedy < " + path("said.txt"));
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("template"), std::string::npos) << run.error;
}

TEST_F(Cli, CompletionScriptsAreValidShell) {
  std::ofstream(path("bash.sh")) << run_weir("completion bash").out;
  EXPECT_EQ(std::system(("bash -n " + path("bash.sh")).c_str()), 0);
  const std::string check =
      "bash -c 'source " + path("bash.sh") +
      "; COMP_WORDS=(weir len); COMP_CWORD=1; _weir; [[ ${COMPREPLY[0]} == lens ]]'";
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_NE(run_weir("completion zsh").out.find("#compdef weir"), std::string::npos);
  EXPECT_EQ(run_weir("completion fish").status, 1);
}

}  // namespace
