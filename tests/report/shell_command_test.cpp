#include "weir/report/shell_command.h"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "weir/report/display_text.h"

namespace weir::report {
namespace {

// As apps/cli quotes a word.
std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

const std::vector<std::string>& words() {
  static const std::vector<std::string> kWords = {"plain",
                                                  "two words",
                                                  "line\nbreak",
                                                  "\n\n\n\n\n\n\n\nmany",
                                                  "tab\tand\rreturn",
                                                  "it's \"quoted\" $HOME `x` \\ back\\nslash",
                                                  "no-break\u00a0space and \u200bzero\u2066 width",
                                                  "escape \x1b[31m, bell \x07",
                                                  "broken \xff\xc3 bytes",
                                                  "東京 😀 e\u0301 \u2764\ufe0f",
                                                  "$'\\n' as text",
                                                  std::string(90, 'x') + " " + std::string(90, 'y'),
                                                  "'",
                                                  "\\",
                                                  "\n",
                                                  "''''\n''''"};
  return kWords;
}

std::string command_of(const std::vector<std::string>& all) {
  std::string command = "printf '%s\\0'";
  for (const std::string& word : all) command += " " + quoted(word);
  return command;
}

// What bash, which is not ours, makes of the words of a pasted text.
std::vector<std::string> words_by_bash(const std::string& text) {
  const io::TemporaryFolder folder;
  const auto script = folder.write("pasted", text + "\n");
  std::FILE* pipe = ::popen(("bash --norc " + script.string()).c_str(), "r");
  std::string output;
  std::array<char, 4096> part;
  while (const size_t n = std::fread(part.data(), 1, part.size(), pipe))
    output.append(part.data(), n);
  ::pclose(pipe);
  std::vector<std::string> found;
  for (size_t at = 0; at < output.size();) {
    const size_t end = output.find('\0', at);
    found.push_back(output.substr(at, end - at));
    at = end + 1;
  }
  return found;
}

class ShellCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists("/bin/bash")) GTEST_SKIP() << "needs /bin/bash";
  }
};

TEST_F(ShellCommand, MeansTheSameWhenPasted) {
  const std::string shown = pasteable(command_of(words()));
  EXPECT_EQ(words_by_bash(shown), words());
}

TEST_F(ShellCommand, MeansTheSameInLinesOfAnyWidth) {
  for (const int width : {24, 31, 40, 60, 80, 100, 200}) {
    std::string text;
    for (const std::string& line : pasteable_lines(command_of(words()), width, 9)) {
      EXPECT_LE(display_width(line), width) << line;
      text += (text.empty() ? "" : "\n") + line;
    }
    EXPECT_EQ(words_by_bash(text), words()) << "at width " << width;
  }
}

TEST(Pasteable, ShowsEveryCharacter) {
  const std::string shown = pasteable(command_of(words()));
  // Nothing is left for `visible` to replace.
  EXPECT_EQ(visible(shown), shown);
}

TEST(Pasteable, LeavesPlainCommandsAlone) {
  const std::string command = "weir lens smollm2-135m 'The capital of France is' --top-k 5";
  EXPECT_EQ(pasteable(command), command);
  EXPECT_EQ(pasteable_lines(command, 100, 9), std::vector<std::string>{command});
}

TEST(Pasteable, WritesLineBreaksAsTheShellReadsThem) {
  EXPECT_EQ(pasteable("weir run m 'a\nb'"), "weir run m 'a'$'\\n''b'");
  EXPECT_EQ(pasteable("weir run m \"a\nb\""), "weir run m \"a\"$'\\n'\"b\"");
}

}  // namespace
}  // namespace weir::report
