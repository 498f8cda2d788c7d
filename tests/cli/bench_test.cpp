#include "tests/cli/cli_fixture.h"

namespace {

TEST_F(Cli, BenchTellsTheWorkTheFiguresAndTheMachine) {
  const auto run = run_weir("bench gemm --runs 1 --threads 1 --json --html " + path("bench.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(count_lines(run.out), 1);
  const auto json = run.json();
  EXPECT_EQ(json.at("name"), "gemm");
  EXPECT_EQ(json.at("runs"), 1);
  EXPECT_EQ(json.at("threads"), 1);
  EXPECT_EQ(json.at("unit"), "GFLOP/s");
  EXPECT_EQ(json.at("seconds_median"), json.at("seconds_min"));
  EXPECT_NEAR(json.at("rate").get<double>(), json.at("gflops_per_s").get<double>(), 1e-6);
  EXPECT_GT(json.at("peak_rss_mb").get<double>(), 48);  // Three matrices of 16 MiB.
  EXPECT_TRUE(json.at("extra").is_object());
  for (const char* key : {"work", "seconds_max", "flops", "check", "cpu", "blas", "kernels"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_NE(file_text(path("bench.html")).find("GFLOP/s"), std::string::npos);
}

TEST_F(Cli, BenchRefusesNoRuns) {
  expect_usage_error("bench gemm --runs 0", "--runs");
  expect_usage_error("bench no-such-bench", "forward-cache");
  expect_usage_error("bench gemm --runs 99999999999", "from 1 to 1000000");
}

}  // namespace
