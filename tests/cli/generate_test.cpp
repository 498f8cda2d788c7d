#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

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

TEST_F(Cli, GenerateWritesAReportBesideItsJson) {
  const std::string line = "generate " + kStories + " 'Once upon' --max-new 6 --seed 3 --json";
  const auto plain = run_weir(line).json();
  const auto run = run_weir(line + " --html " + path("out.html") + " --csv " + path("csv"));
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run.json().at("tokens"), plain.at("tokens"));
  const std::string page = file_text(path("out.html"));
  EXPECT_NE(page.find("Continuation by token"), std::string::npos);
  EXPECT_NE(page.find("log-probability"), std::string::npos);
  EXPECT_FALSE(std::filesystem::is_empty(path("csv")));
  const std::string origin = file_text(path("csv/provenance.csv"));
  EXPECT_NE(origin.find("seed,3"), std::string::npos) << origin;
  EXPECT_NE(origin.find("model_sha256"), std::string::npos) << origin;
}

TEST_F(Cli, GenerateRefusesNoSamples) {
  expect_usage_error("generate " + kStories + " hi --samples 0", "--samples");
}

TEST_F(Cli, TokenizeGivesTheSameJsonWhateverElseIsWritten) {
  const std::string line = "tokenize " + kStories + " 'One day' --json";
  EXPECT_EQ(run_weir(line + " --html " + path("out.html")).out, run_weir(line).out);
  EXPECT_NE(file_text(path("out.html")).find("<html"), std::string::npos);
}

TEST_F(Cli, TokenizeGivesIdsTokensAndOffsets) {
  const auto json = run_weir("tokenize " + kStories + " 'One day' --json").json();
  EXPECT_EQ(json.at("ids").size(), json.at("tokens").size());
  EXPECT_EQ(json.at("ids").size(), json.at("offsets").size());
  EXPECT_EQ(json["offsets"].back()[1], 7);
}

}  // namespace
