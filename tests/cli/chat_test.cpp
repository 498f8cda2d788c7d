#include <array>
#include <sys/wait.h>

#include <pty.h>

#include "tests/cli/cli_fixture.h"
#include "tests/support/default_model.h"

namespace {

TEST_F(Cli, ChatNeedsATemplateOnceSomethingIsSaid) {
  EXPECT_EQ(run_weir("chat " + kStories + " --greedy").status, 0);
  std::ofstream(path("said.txt")) << "hello\n";
  const auto run = run_weir("chat " + kStories + " --greedy", "", {path("said.txt"), "", ""});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("template"), std::string::npos) << run.error;
}

TEST_F(Cli, ChatAnswersAsTheTemplateAsks) {
  const auto model = weir::testing::default_model();
  if (!model) GTEST_SKIP() << "weir models pull smollm2-135m gets the model";
  const std::string said =
      write("said.txt", "What is the capital of France?\n/reset\nWhat is 1 + 1?\n/exit\nmore\n");
  const auto run =
      run_weir("chat " + model->string() + " --greedy --max-new 30", "", {said, "", ""});
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_NE(run.out.find("Paris"), std::string::npos) << run.out;
  EXPECT_GE(count_lines(run.out), 2) << run.out;
  EXPECT_EQ(run.out.find("<|im_end|>"), std::string::npos) << run.out;
}

// The command in a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::string& arguments) {
    child_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (child_ != 0) return;
    const std::string line = std::string("exec " WEIR_COMMAND " ") + arguments;
    ::execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    ::_exit(127);
  }
  ~Terminal() { ::close(terminal_); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const {
    EXPECT_EQ(::write(terminal_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size()));
  }

  /// Reads until `text` has been shown, or to the end.
  bool shows(const std::string& text) {
    std::array<char, 512> buffer;
    while (shown_.find(text) == std::string::npos) {
      const ssize_t n = ::read(terminal_, buffer.data(), buffer.size());
      if (n <= 0) return false;
      shown_.append(buffer.data(), static_cast<size_t>(n));
    }
    return true;
  }

  const std::string& shown() const { return shown_; }

  /// Of the ended command; 128 + signal when one killed it.
  int exit_status() {
    while (shows("never shown \x01")) {
    }
    int status = 0;
    ::waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string shown_;
};

TEST_F(Cli, CtrlCAtTheChatsPromptExitsWith130) {
  Terminal terminal("chat " + kStories);
  ASSERT_TRUE(terminal.shows("> "));
  terminal.type("\x03");
  EXPECT_TRUE(terminal.shows("stopped by the user"));
  EXPECT_EQ(terminal.exit_status(), 130) << terminal.shown();
}

TEST_F(Cli, CtrlDEndsTheChatWell) {
  Terminal terminal("chat " + kStories);
  ASSERT_TRUE(terminal.shows("> "));
  terminal.type("\x04");
  EXPECT_EQ(terminal.exit_status(), 0) << terminal.shown();
}

TEST_F(Cli, CtrlCInTheMiddleOfAnAnswerExitsWith130) {
  const auto model = weir::testing::default_model();
  if (!model) GTEST_SKIP() << "weir models pull smollm2-135m gets the model";
  Terminal terminal("chat " + model->string() + " --greedy --max-new 100000");
  ASSERT_TRUE(terminal.shows("> "));
  terminal.type("Count from one to one thousand, every number.\n");
  ASSERT_TRUE(terminal.shows("every number.\r\n"));
  terminal.type("\x03");
  EXPECT_EQ(terminal.exit_status(), 130) << terminal.shown();
}

}  // namespace
