#include "weir/base/progress.h"

#include <chrono>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>
#include <pty.h>

namespace weir {
namespace {

// Everything that `work` writes when its output is a terminal.
template <typename Work>
std::string shown_on_terminal(const Work& work) {
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    work();
    std::_Exit(0);
  }
  std::string text;
  char piece[256];
  for (ssize_t count = 0; (count = ::read(terminal, piece, sizeof(piece))) > 0;) {
    text.append(piece, static_cast<size_t>(count));
  }
  ::close(terminal);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return text;
}

void wait_until_it_may_draw() { std::this_thread::sleep_for(std::chrono::milliseconds(600)); }

TEST(Progress, ShortWorkShowsNothing) {
  EXPECT_EQ(shown_on_terminal([] {
              Progress progress("work", 1000);
              for (int i = 0; i < 1000; ++i) progress.advance();
            }),
            "");
}

TEST(Progress, ATerminalSeesOneLineRedrawn) {
  const std::string text = shown_on_terminal([] {
    Progress progress("download", 4000000, "B");
    wait_until_it_may_draw();
    progress.advance(1000000);
    progress.advance(3000000);  // Too soon to be drawn; the end draws it.
  });
  EXPECT_EQ(text.find("\r\x1b[Kdownload: 1.0 MB of 4.0 MB (25 %)"), 0U) << text;
  EXPECT_NE(text.find("s left\r\x1b[Kdownload: 4.0 MB of 4.0 MB (100 %)"), std::string::npos)
      << text;
  EXPECT_EQ(text.substr(text.size() - 2), "\r\n");  // The terminal adds the \r.
}

TEST(Progress, ResumedWorkCountsItsRateFromWhereItBegan) {
  const std::string text = shown_on_terminal([] {
    Progress progress("steps", 0, "tokens");
    progress.set(1000000000);
    wait_until_it_may_draw();
    progress.advance();
  });
  EXPECT_NE(text.find("steps: 1000000001 tokens, 1."), std::string::npos) << text;
}

TEST(Progress, CanBeTurnedOff) {
  EXPECT_EQ(shown_on_terminal([] {
              set_progress_enabled(false);
              Progress progress("work", 10);
              wait_until_it_may_draw();
              progress.advance();
            }),
            "");
}

TEST(Progress, ElsewhereShortWorkIsSilentToo) {
  testing::internal::CaptureStderr();
  { Progress("work", 10).advance(); }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace weir
