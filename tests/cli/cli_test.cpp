#include <algorithm>
#include <sstream>

#include "tests/cli/cli_fixture.h"

namespace {

TEST_F(Cli, WrongUsageExitsWithTwo) {
  EXPECT_EQ(run_weir("").status, 2);
  EXPECT_EQ(run_weir("lense x").status, 2);
  EXPECT_NE(run_weir("lense x").error.find("lens"), std::string::npos);
  EXPECT_EQ(run_weir("run " + kLlama).status, 2);
  EXPECT_EQ(run_weir("generate " + kStories + " hi --max-new many").status, 2);
  EXPECT_EQ(run_weir("lens " + kStories + " hi --no-such-option").status, 2);
}

// All other tests call the library; these start the program.
TEST_F(Cli, TheProgramDoesWhatItsLibraryDoes) {
  for (const std::string& line :
       {std::string("--version"), "tokenize " + kStories + " hi --json", std::string("lense x")}) {
    const auto program = exec_weir(line), library = run_weir(line);
    EXPECT_EQ(program.status, library.status) << line;
    EXPECT_EQ(program.out, library.out);
    EXPECT_EQ(program.error, library.error);
  }
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

TEST_F(Cli, AMissingModelSaysHowToGetIt) {
  const auto run = run_weir("lens no-such-model hello", "WEIR_HOME=" + path("empty"));
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("weir models pull"), std::string::npos) << run.error;
}

TEST_F(Cli, TextFitsTheTerminalAndHasNoColourWhenToldSo) {
  // A token strip has colours; CLICOLOR_FORCE asks for them although stdout is a pipe.
  const std::string lens = "lens " + kStories + " 'Once upon a time'";
  const std::string forced = "COLUMNS=60 CLICOLOR_FORCE=1 LC_ALL=C.UTF-8";
  EXPECT_NE(run_weir(lens, forced).out.find('\x1b'), std::string::npos);
  const auto run = run_weir(lens, forced + " NO_COLOR=1");
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_EQ(run.out.find('\x1b'), std::string::npos);
  std::istringstream lines(run.out);
  for (std::string line; std::getline(lines, line);) {
    const auto columns =
        std::count_if(line.begin(), line.end(), [](char c) { return (c & 0xC0) != 0x80; });
    EXPECT_LE(columns, 60) << line;
  }
}

TEST_F(Cli, HelpHidesInternalVerbs) {
  const auto run = run_weir("--help", "COLUMNS=200");
  EXPECT_EQ(run.out.find("oracle"), std::string::npos) << run.out;
  EXPECT_EQ(run_weir("oracle first-logits --help").status, 0);
  // Nor are they offered for a slip.
  EXPECT_EQ(run_weir("oracl").error.find("oracle"), std::string::npos);
}

TEST_F(Cli, HelpListsEveryVerbOnceUnderOneOfThreeHeadings) {
  const std::string help = run_weir("--help", "COLUMNS=100").out;
  const size_t look = help.find("\n  LOOK "), change = help.find("\n  CHANGE "),
               make = help.find("\n  MAKE ");
  ASSERT_NE(make, std::string::npos) << help;
  EXPECT_LT(look, change);
  EXPECT_LT(change, make);
  for (const char* verb : {"lens", "inspect", "tokenize", "bench", "run", "generate", "chat",
                           "models", "completion"}) {
    const std::string line = std::string("\n    ") + verb + " ";
    EXPECT_GT(help.find(line), look) << verb;
    EXPECT_EQ(help.find(line), help.rfind(line)) << verb;
    EXPECT_NE(help.find(line), std::string::npos) << verb;
  }
  EXPECT_LT(make, help.find("\n    generate "));
  EXPECT_LT(help.find("\n    lens "), change);
}

TEST_F(Cli, HelpSaysWhyBenchHasNoDevice) {
  const auto run = run_weir("bench --help", "COLUMNS=200");
  EXPECT_NE(run.out.find("no --device and no --dtype"), std::string::npos) << run.out;
}

}  // namespace
