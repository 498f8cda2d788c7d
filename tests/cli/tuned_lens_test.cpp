#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

std::string story() {
  std::string text;
  for (int i = 0; i < 30; ++i) text += "Once upon a time there was a little girl. She liked cats. ";
  return text;
}

TEST_F(Cli, ATunedLensComesCloserToTheModelAndIsRead) {
  const std::string train = "tuned-lens train " + kStories + " --text-file " +
                            write("story.txt", story()) + " --length 16 --batch 4 --save " +
                            path("lens") + " --json --steps 12";
  const auto run = run_weir(train);
  ASSERT_EQ(run.status, 0) << run.error;
  const auto result = run.json().at("result");
  double plain = 0, tuned = 0;
  for (const auto& kl : result.at("logit_lens_kl")) plain += kl.get<double>();
  for (const auto& kl : result.at("tuned_lens_kl")) tuned += kl.get<double>();
  EXPECT_LT(tuned, 0.9 * plain);
  const auto read =
      run_weir("lens " + kStories + " 'Once upon a time' --json --tuned " + path("lens"));
  ASSERT_EQ(read.status, 0) << read.error;
  EXPECT_TRUE(read.json().at("result").at("tuned").get<bool>());
  EXPECT_EQ(run_weir(train + " --resume").status, 0);
  EXPECT_NE(run_weir(train + " --resume --warmup 2").status, 0) << "other settings";
  EXPECT_NE(run_weir("lens " + kLlama + " 'x' --tuned " + path("lens")).status, 0) << "other model";
}

}  // namespace
