#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

const std::vector<std::string>& verbs_that_print() {
  static const std::vector<std::string> verbs = {
      "generate " + kStories + " hi --max-new 3",
      "generate " + kStories + " hi --max-new 3 --json",
      "generate " + kStories + " hi --max-new 3 --samples 2",
      "lens " + kStories + " hi",
      "lens " + kStories + " hi --json",
      "tokenize " + kStories + " hi",
      "inspect " + kStories,
      "models info " + kStories,
      "models list --json",
      "completion bash",
      "lens --help",
      "--version"};
  return verbs;
}

TEST_F(Cli, OutputThatCannotBeWrittenEndsWithOne) {
  for (const std::string& verb : verbs_that_print()) {
    for (const char* place : {"/dev/full", "closed"}) {
      const auto run = run_weir(verb, "", {"", place, ""});
      EXPECT_EQ(run.status, 1) << verb << " > " << place;
      EXPECT_EQ(count_lines(run.error), 1) << verb << " > " << place << ": " << run.error;
      EXPECT_NE(run.error.find("cannot be written"), std::string::npos) << run.error;
    }
  }
}

TEST_F(Cli, WhatIsSaidOnStderrMustArriveToo) {
  const std::string line = "generate " + kStories + " hi --max-new 3";
  for (const char* place : {"/dev/full", "closed"}) {
    EXPECT_EQ(run_weir(line, "", {"", "", place}).status, 1) << place;  // The speed.
    EXPECT_EQ(run_weir(line + " --quiet", "", {"", "", place}).status, 0) << place;
    EXPECT_EQ(run_weir("lens", "", {"", "", place}).status, 2) << place;
  }
}

TEST_F(Cli, AFileIsNeverMixedWithAClosedStream) {
  const std::string line = "lens " + kStories + " hi --quiet --html " + path("page.html");
  const auto run = run_weir(line, "", {"closed", "closed", "closed"});
  EXPECT_EQ(run.status, 0);
  const std::string page = file_text(path("page.html"));
  EXPECT_EQ(page.rfind("<!doctype html>", 0), 0u) << page.substr(0, 80);
  EXPECT_NE(page.find("</html>"), std::string::npos);
}

TEST_F(Cli, PlacesToWriteToAreTriedBeforeAnythingIsLoaded) {
  const std::string file = write("file", "");
  for (const std::string& option :
       {"--html " + path("nosuch/x.html"), "--html " + path(""), "--csv " + file,
        "--csv " + file + "/sub", std::string("--html /dev/null")}) {
    const auto run = run_weir("lens no-such-model hi " + option);
    EXPECT_EQ(run.status, 1) << option;
    EXPECT_EQ(count_lines(run.error), 1) << run.error;
    EXPECT_EQ(run.error.find("no-such-model"), std::string::npos) << run.error;
  }
  const auto run = run_weir("run no-such-model --text hi --save " + path("nosuch/x.safetensors"));
  EXPECT_NE(run.error.find("nosuch/x.safetensors: cannot be created"), std::string::npos)
      << run.error;
}

TEST_F(Cli, TryingAPlaceLeavesNothing) {
  const std::string old = write("old.html", "old");
  const auto run = run_weir("lens no-such-model hi --html " + old + " --csv " + path("a/b/c"),
                            "WEIR_HOME=" + path("home") + " HF_HOME=" + path("home"));
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(file_text(old), "old");
  EXPECT_FALSE(std::filesystem::exists(path("a")));
}

TEST_F(Cli, WhatWasComputedIsShownThoughAFileCannotBeWritten) {
  const Streams full_disk{"", "", "", 300};  // Full only after the places were tried.
  for (const std::string& option : {"--html " + path("x.html"), "--csv " + path("csv")}) {
    for (const std::string& verb :
         {"lens " + kStories + " 'Once upon' ",
          "generate " + kStories + " 'Once upon' --greedy --max-new 40 --samples 2 "}) {
      const auto text = run_weir(verb + option, "", full_disk);
      const auto json = run_weir(verb + option + " --json", "", full_disk);
      EXPECT_EQ(text.status, 1) << verb << option;
      EXPECT_NE(text.error.find("cannot be written"), std::string::npos) << text.error;
      EXPECT_NE(text.out.find("upon"), std::string::npos) << verb << option;
      EXPECT_EQ(json.status, 1);
      EXPECT_TRUE(json.json().is_object()) << verb << option;
    }
  }
  EXPECT_FALSE(std::filesystem::exists(path("csv")));
  EXPECT_FALSE(std::filesystem::exists(path("x.html")));
}

TEST_F(Cli, SizesThatMemoryCannotHoldAreRefusedWithWhatTheyNeed) {
  for (const char* samples : {"1000000000", "9223372036854775807"}) {
    const std::string line = "generate " + kStories + " hi --samples ";
    expect_usage_error(line + samples, "of memory");
    EXPECT_EQ(run_weir(line + samples).out, "");
  }
  expect_usage_error("lens " + kStories + " hi --top-k 1000000000", "from 1 to 512");
}

}  // namespace
