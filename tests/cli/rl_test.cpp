#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

TEST_F(Cli, RlVerifyJudgesLines) {
  const std::string lines = write("answers.jsonl",
                                  "{\"answer\": \"\\\\boxed{\\\\frac12}\", \"gold\": "
                                  "\"0.5\"}\n\n{\"answer\": \"2\", \"gold\": \"2\"}\n");
  const auto run = run_weir("rl verify --text-file " + lines + " --kind math --json");
  ASSERT_EQ(run.status, 0) << run.error;
  ASSERT_EQ(count_lines(run.out), 2);
  const json first = json::parse(run.out.substr(0, run.out.find('\n')));
  const json second = json::parse(run.out.substr(run.out.find('\n')));
  EXPECT_EQ(first["correct"], 1);
  EXPECT_EQ(first["read"], "\\frac12");
  EXPECT_EQ(second["correct"], 0);  // No box.
  EXPECT_EQ(second["outcome"], "unparsed_answer");
  expect_usage_error("rl verify --kind opinion", "expected all, choice");
}

}  // namespace
}  // namespace weir
