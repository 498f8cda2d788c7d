#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

TEST_F(Cli, TasksAreListedMadeAndScored) {
  const json listed = json::parse(run_weir("tasks list --json").out);
  EXPECT_EQ(listed[0]["name"], "capitals");
  const std::string set = path("set.jsonl");
  const auto made = run_weir("tasks make repeated-tokens -n 6 --seed 1 --variant 10 --model " +
                             kStories + " --save " + set + " --json");
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_EQ(json::parse(made.out)["n"], 6);
  const auto scored = run_weir("tasks score " + kStories + " " + set + " --whole --json");
  ASSERT_EQ(scored.status, 0) << scored.error;
  const json result = json::parse(scored.out)["result"];
  EXPECT_EQ(result["n"], 6);
  EXPECT_EQ(result["log_prob"].size(), 6U);
  // Answers of one token: the whole answer is its first token.
  for (size_t n = 0; n < 6; ++n) {
    EXPECT_NEAR(result["log_prob"][n].get<double>(), result["whole_log_prob"][n].get<double>(),
                1e-4);
  }
  EXPECT_LE(result["summary"][0]["low"].get<double>(), result["summary"][0]["mean"].get<double>());
}

TEST_F(Cli, TasksThatDoNotExistAreNamed) {
  const auto run = run_weir("tasks score " + kStories + " iol");
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("did you mean ioi"), std::string::npos) << run.error;
  EXPECT_EQ(run_weir("tasks make ioi --model " + kStories).status, 2) << "no --save";
  EXPECT_EQ(run_weir("tasks make ioi -n 0 --model x --save " + path("a.jsonl")).status, 2);
}

}  // namespace
}  // namespace weir
