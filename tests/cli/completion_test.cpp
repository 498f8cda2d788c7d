#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "tests/cli/cli_fixture.h"

namespace {

TEST_F(Cli, CompletionScriptsAreValidShell) {
  std::ofstream(path("bash.sh")) << run_weir("completion bash").out;
  EXPECT_EQ(std::system(("bash -n " + path("bash.sh")).c_str()), 0);
  const std::string check =
      "bash -c 'source " + path("bash.sh") +
      "; COMP_WORDS=(weir len); COMP_CWORD=1; _weir; [[ ${COMPREPLY[0]} == lens ]]'";
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_NE(run_weir("completion zsh").out.find("#compdef weir"), std::string::npos);
  expect_usage_error("completion fish", "bash, zsh");
}

// What bash offers after `line`, whose last word is being typed: sorted, one a line.
std::string offered(const std::string& script, const std::string& line, const std::string& home) {
  const std::string command = "WEIR_HOME=" + home + " bash -c 'source " + script +
                              "; COMP_WORDS=(" + line +
                              "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _weir; "
                              "printf \"%s\\n\" \"${COMPREPLY[@]}\" | sort'";
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  std::string out;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), n);
  }
  EXPECT_EQ(pclose(pipe), 0) << command;
  return out;
}

TEST_F(Cli, BashCompletesVerbsOptionsAndModels) {
  const std::string script = write("bash.sh", run_weir("completion bash").out);
  const std::string home = path("home");
  std::filesystem::create_directories(home + "/models/my-model");
  const auto completes = [&](const std::string& line) { return offered(script, line, home); };
  EXPECT_EQ(completes("weir mod"), "models\n");
  EXPECT_EQ(completes("weir models in"), "info\n");
  EXPECT_EQ(completes("weir models info --s"), "--sha256\n");
  EXPECT_EQ(completes("weir models convert smollm2 out --d"), "--dtype\n");
  EXPECT_EQ(completes("weir models pull --"), "--accept-terms\n--help\n--quiet\n");
  EXPECT_EQ(completes("weir models info my-"), "my-model\n");
  EXPECT_EQ(completes("weir lens my-model --top"), "--top-k\n");
  EXPECT_EQ(completes("weir lens my-"), "my-model\n");
  EXPECT_EQ(completes("weir inspect " + path("bas")), script + "\n");
  EXPECT_EQ(completes("weir oracle fir"), "\n");  // Internal: hidden.
  EXPECT_EQ(completes("weir --v"), "--version\n");
}

TEST_F(Cli, ZshReadsTheCompletionScript) {
  const std::string script = write("_weir", run_weir("completion zsh").out);
  const std::string text = file_text(script);
  EXPECT_NE(text.find("'--json[Print JSON on stdout instead of text]' "), std::string::npos);
  EXPECT_NE(text.find("'--html[Also write one self-contained HTML page]:FILE:_files' "),
            std::string::npos);
  if (std::system("command -v zsh > /dev/null") != 0) GTEST_SKIP() << "no zsh here";
  EXPECT_EQ(std::system(("zsh -n " + script).c_str()), 0);
  // Sourced it announces the function, autoloaded it is the function.
  EXPECT_EQ(std::system(("zsh -fc 'compdef() { print $* }; out=$(source " + script +
                         "); [[ $out == \"_weir weir\" ]]'")
                            .c_str()),
            0);
  EXPECT_EQ(std::system(("zsh -fc 'compdef() { exit 3 }; _arguments() { print called }; fpath=(" +
                         path("") + "); autoload _weir; [[ $(_weir) == called ]]'")
                            .c_str()),
            0);
}

}  // namespace
