#include <array>
#include <csignal>
#include <cstdlib>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <poll.h>
#include <pty.h>

#include "tests/cli/cli_fixture.h"
#include "tests/support/real_models.h"

namespace {

TEST_F(Cli, ChatNeedsATemplateOnceSomethingIsSaid) {
  EXPECT_EQ(run_weir("chat " + kStories + " --greedy").status, 0);
  std::ofstream(path("said.txt")) << "hello\n";
  const auto run = run_weir("chat " + kStories + " --greedy", "", {path("said.txt")});
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("template"), std::string::npos) << run.error;
}

TEST_F(Cli, ChatAnswersAsTheTemplateAsks) {
  const auto model = weir::testing::default_model();
  if (!model) GTEST_SKIP() << "weir models pull smollm2-135m gets the model";
  const std::string said =
      write("said.txt", "What is the capital of France?\n/reset\nWhat is 1 + 1?\n/exit\nmore\n");
  const auto run = run_weir("chat " + model->string() + " --greedy --max-new 30", "", {said});
  ASSERT_EQ(run.status, 0) << run.error;
  EXPECT_NE(run.out.find("Paris"), std::string::npos) << run.out;
  EXPECT_GE(count_lines(run.out), 2) << run.out;
  EXPECT_EQ(run.out.find("<|im_end|>"), std::string::npos) << run.out;
}

// The command in a terminal of its own.
class Terminal {
 public:
  explicit Terminal(const std::string& arguments, const std::string& kind = "dumb") {
    child_ = ::forkpty(&terminal_, nullptr, nullptr, nullptr);
    if (child_ != 0) return;
    ::setenv("TERM", kind.c_str(), 1);
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

  /// Reads until `text` has been shown after what was asked for before; false at the end, or when
  /// nothing comes for a minute.
  bool shows(const std::string& text) {
    std::array<char, 512> buffer;
    while (true) {
      const size_t place = shown_.find(text, seen_);
      if (place != std::string::npos) {
        seen_ = place + text.size();
        return true;
      }
      pollfd output{terminal_, POLLIN, 0};
      if (::poll(&output, 1, 60'000) <= 0) return false;
      const ssize_t n = ::read(terminal_, buffer.data(), buffer.size());
      if (n <= 0) return false;
      shown_.append(buffer.data(), static_cast<size_t>(n));
    }
  }

  /// The line editor draws its prompt before it takes the terminal over.
  void wait_until_keys_are_read() const {
    termios state{};
    while (::tcgetattr(terminal_, &state) == 0 && (state.c_lflag & ICANON) != 0) ::usleep(1000);
  }

  const std::string& shown() const { return shown_; }

  /// Ctrl-D at a prompt. Typed before the editor takes the terminal over, it would end a line that
  /// nobody reads, and the command would wait for ever.
  void end_input() {
    wait_until_keys_are_read();
    type("\x04");
  }

  /// Of the ended command; 128 + signal when one killed it. One that says nothing for a minute is
  /// killed: a test must end.
  int exit_status() {
    shows("never shown \x01");
    int status = 0;
    for (int tenths = 0; tenths < 50; ++tenths) {
      if (::waitpid(child_, &status, WNOHANG) == child_) {
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      }
      ::usleep(100'000);
    }
    ::kill(child_, SIGKILL);
    ::waitpid(child_, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  int terminal_ = -1;
  pid_t child_ = -1;
  std::string shown_;
  size_t seen_ = 0;
};

TEST_F(Cli, CtrlCAtTheChatsPromptExitsWith130) {
  Terminal terminal("chat " + kStories, "xterm");
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

TEST_F(Cli, CtrlCStopsAnAnswerAndAtThePromptTheChat) {
  const auto model = weir::testing::default_model();
  if (!model) GTEST_SKIP() << "weir models pull smollm2-135m gets the model";
  Terminal terminal("chat " + model->string() + " --greedy --max-new 100000");
  ASSERT_TRUE(terminal.shows("> "));
  terminal.type("Count from one to one thousand, every number.\n");
  ASSERT_TRUE(terminal.shows("every number.\r\n"));
  // The terminal echoes before the command reads; a first word of the answer comes after.
  ASSERT_TRUE(terminal.shows(" "));
  terminal.type("\x03");
  ASSERT_TRUE(terminal.shows("\r\n> ")) << terminal.shown();
  terminal.type("\x03");
  EXPECT_TRUE(terminal.shows("stopped by the user"));
  EXPECT_EQ(terminal.exit_status(), 130) << terminal.shown();
}

TEST_F(Cli, TheUpKeyBringsBackTheLineBefore) {
  Terminal terminal("chat " + kStories, "xterm");
  ASSERT_TRUE(terminal.shows("> "));
  terminal.type("/helq\n");
  ASSERT_TRUE(terminal.shows("did you mean /help")) << terminal.shown();
  ASSERT_TRUE(terminal.shows("> ")) << terminal.shown();
  terminal.wait_until_keys_are_read();
  // Up, one character back from the end, the right letter: /help.
  terminal.type("\x1b[A\x7fp\n");
  EXPECT_TRUE(terminal.shows("/reset forgets")) << terminal.shown();
  EXPECT_TRUE(terminal.shows("> ")) << terminal.shown();
  terminal.end_input();
  EXPECT_EQ(terminal.exit_status(), 0) << terminal.shown();
}

TEST_F(Cli, UnknownCommandsAreNotSentToTheModel) {
  // This model has no template: a message would end with status 1.
  const std::string said = write("said.txt", "/rest\n/help\n\n/reset\n/exit\n");
  const auto run = run_weir("chat " + kStories, "", {said});
  EXPECT_EQ(run.status, 0) << run.error;
  EXPECT_NE(run.error.find("'/rest'; did you mean /reset"), std::string::npos) << run.error;
  EXPECT_NE(run.out.find("/exit or Ctrl-D ends it"), std::string::npos) << run.out;
  const std::string spaced = write("spaced.txt", " /usr/bin\n");
  EXPECT_EQ(run_weir("chat " + kStories, "", {spaced}).status, 1);
}

}  // namespace
