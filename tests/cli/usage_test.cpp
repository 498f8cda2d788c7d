#include "tests/cli/cli_fixture.h"

namespace {

// Nothing is there to load: a word that is wrong is found before.
const std::string kGenerate = "generate no-such-model hi ";

TEST_F(Cli, NumbersOutOfTheirRangeAreWrongUsageBeforeAnythingIsLoaded) {
  for (const auto& [option, expected] : std::vector<std::pair<std::string, std::string>>{
           {"--max-new -5", "--max-new: expected an integer of 0 or more, found '-5'"},
           {"--max-new 1.5", "--max-new: expected an integer"},
           {"--max-new 3x", "found '3x'"},
           {"--max-new 99999999999999999999", "from 0 to 9223372036854775807"},
           {"--top-k -1", "--top-k: expected an integer of 0 or more, found '-1'"},
           {"--top-k 99999999999999999999", "--top-k: expected an integer from 0"},
           {"--seed -1", "--seed: expected an integer of 0 or more"},
           {"--seed 18446744073709551616", "from 0 to 18446744073709551615"},
           {"--temperature -0.1", "--temperature: expected a number of 0 or more"},
           {"--temperature nan", "--temperature: expected a number"},
           {"--temperature inf", "--temperature: expected a number"},
           {"--top-p 0", "--top-p: expected a number above 0 and up to 1, found '0'"},
           {"--top-p 1.01", "--top-p"},
           {"--min-p -0.1", "--min-p: expected a number from 0 to 1"},
           {"--min-p nan", "--min-p"},
           {"--repetition-penalty 0", "--repetition-penalty: expected a number above 0"},
           {"--samples 0", "--samples: expected an integer of 1 or more"},
           {"--threads 1000000", "--threads: expected an integer from 0 to"}}) {
    expect_usage_error(kGenerate + option, expected);
    EXPECT_EQ(run_weir(kGenerate + option).out, "") << option;
  }
  expect_usage_error("lens no-such-model hi --top-k 0", "--top-k: expected an integer of 1");
}

TEST_F(Cli, EdgesOfARangeAreInside) {
  const std::string edges =
      " --max-new 0 --temperature 0 --top-k 0 --top-p 1 --min-p 1 --seed 18446744073709551615";
  EXPECT_EQ(run_weir("generate " + kStories + " hi" + edges).status, 0);
}

TEST_F(Cli, RepeatedAndMissingValuesAreToldInOneVoice) {
  expect_usage_error(kGenerate + "--max-new 3 --max-new 4", "--max-new: expected once, found 2");
  expect_usage_error(kGenerate + "--max-new", "--max-new: expected a value N, found nothing");
  expect_usage_error(kGenerate + "--max-new --threads 2", "expected a value N, found '--threads'");
  expect_usage_error(kGenerate + "--max-new= --greedy", "--max-new: expected a value after '='");
  expect_usage_error(kGenerate + "--greedy=5", "--greedy: expected no value, found '5'");
  expect_usage_error(kGenerate + "too many", "'too' is one argument too many");
  expect_usage_error(kGenerate + "--max-nwe 3", "there is no option '--max-nwe'; did you mean");
  expect_usage_error("lens no-such-model hi --html a --html b", "--html: expected once");
  expect_usage_error("models frobnicate", "there is no verb 'frobnicate'");
  expect_usage_error("models", "expected a verb: list, pull, info, convert");
  expect_usage_error("models convert a", "expected OUT_DIR");
  expect_usage_error("lens", "expected MODEL");
}

TEST_F(Cli, EveryMessageOfWrongUsageSaysWhereTheHelpIs) {
  expect_usage_error("", "(see weir --help)");
  expect_usage_error("models info", "(see weir models info --help)");
}

TEST_F(Cli, ValuesThatLookLikeOptionsFollowAnEqualsSign) {
  const auto run = run_weir("generate " + kStories +
                            " hi --greedy --max-new 3 --stop=--html --stop -END --stop=-END");
  EXPECT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run_weir("tokenize " + kStories + " -- --json").status, 0);
}

TEST_F(Cli, TextsThatAreNotThereAreToldBeforeAnythingIsLoaded) {
  const std::string empty = write("empty.txt", "");
  for (const std::string verb : {"lens no-such-model", "generate no-such-model"}) {
    expect_usage_error(verb, "expected PROMPT or --text-file");
    expect_usage_error(verb + " hi --text-file " + empty, "found both");
    expect_usage_error(verb + " --text-file " + empty, "--text-file: expected a text");
    expect_usage_error(verb + " -", "PROMPT: expected a text");
    expect_usage_error(verb + " --text-file " + path(""), "is a folder");
  }
  const auto missing = run_weir("lens no-such-model --text-file " + path("nosuch"));
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.error.find("--text-file: cannot open"), std::string::npos) << missing.error;
}

TEST_F(Cli, ListsDropSpacesAndRefuseEmptyAndRepeatedWords) {
  const std::string run = "run no-such-model --text hi --save x --names ";
  expect_usage_error(run + "a,,b", "--names: expected words separated by commas");
  expect_usage_error(run + "''", "--names: expected words");
  expect_usage_error("lens no-such-model hi --sites resid_mid,resid_mid", "given twice");
  const auto spaced = run_weir("run " + kStories + " --text hi --save " + path("out.safetensors") +
                               " --names 'blocks.0.hook_resid_pre, blocks.1.hook_resid_pre'");
  EXPECT_EQ(spaced.status, 0) << spaced.error;
}

}  // namespace
