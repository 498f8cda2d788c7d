// Ablate, knockout, trace, heads and steer on random models.
#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

std::string one_line(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), '\n'), text.end());
  return text + "\n";
}

TEST_F(Cli, CausalVerbsNameTheirAxesAndNumbers) {
  const std::string set = write(
      "set.jsonl",
      one_line(R"({"tokens": [1, 5, 9, 20, 7], "roles": {"subject_first": 1, "subject_last": 2},
                 "answer": [11], "wrong": [12], "corrupt": {"tokens": [1, 8, 9, 20, 7]}})") +
          one_line(R"({"tokens": [1, 6, 9, 21, 7], "roles": {"subject_first": 1, "subject_last": 2},
                 "answer": [13], "wrong": [12], "corrupt": {"tokens": [1, 3, 9, 21, 7]}})"));
  const auto result = [&](const std::string& line) {
    const auto run = run_weir(line + " --json --quiet");
    EXPECT_EQ(run.status, 0) << line << ": " << run.error;
    return run.status == 0 ? json::parse(run.out)["result"] : json();
  };
  const std::string task = " " + kStories + " --task " + set;
  const json ablated = result("ablate" + task + " --kind head_z --value zero --metric logit_diff");
  EXPECT_EQ(ablated["axes"], json({"layer", "head"}));
  EXPECT_EQ(ablated["change"].size(), 5U);
  EXPECT_EQ(ablated["change"][0].size(), 8U);

  const json knocked = result("knockout" + task + " --window 5 --block subject,last --sublayers");
  EXPECT_EQ(knocked["percent"]["subject"].size(), 5U);
  EXPECT_EQ(knocked["percent"]["mlp_out"].size(), 5U);

  const json traced = result("trace" + task + " --copies 3 --window 2");
  EXPECT_EQ(traced["positions"].size(), 6U);
  EXPECT_EQ(traced["hidden"][5].size(), 5U);
  // The last state restored is the clean answer.
  EXPECT_NEAR(traced["hidden"][5][4].get<double>(), traced["total_effect"].get<double>(), 1e-5);

  const json heads = result("heads " + kStories + " -n 2 --half 6");
  EXPECT_EQ(heads["induction"].size(), 5U);
  for (const json& layer : heads["ov_eigenvalue_positivity"]) {
    for (const json& head : layer) EXPECT_LE(std::abs(head.get<double>()), 1 + 1e-9);
  }
}

TEST_F(Cli, SteeringVectorsWorkWhereInterventionsDo) {
  const std::string set = write(
      "set.jsonl",
      one_line(
          R"({"tokens": [1, 300, 410], "answer": [11], "corrupt": {"tokens": [1, 300, 350]}})"));
  const std::string file = path("steer.json");
  const auto made =
      run_weir("steer " + kStories + " --task " + set + " --layer 2 --alpha 50 --save " + file);
  ASSERT_EQ(made.status, 0) << made.error;
  const std::string line = "generate " + kStories + " 'Once upon' --greedy --max-new 6";
  const auto plain = run_weir(line), steered = run_weir(line + " --intervene " + file);
  EXPECT_EQ(steered.status, 0) << steered.error;
  EXPECT_NE(steered.out, plain.out);
}

TEST_F(Cli, VerbsOfSubjectsSayWhenThereIsNone) {
  const std::string set = write("set.jsonl", one_line(R"({"tokens": [1, 5, 9], "answer": [11]})"));
  for (const std::string verb : {"trace ", "knockout "}) {
    const auto run = run_weir(verb + kStories + " --task " + set);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.error.find("--subject"), std::string::npos) << run.error;
  }
}

}  // namespace
}  // namespace weir
