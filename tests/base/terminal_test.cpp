#include "weir/base/terminal.h"

#include <stdlib.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace weir {
namespace {

// Makes stdout a pipe, so that no real terminal decides, and clears what the functions look at.
class Terminal : public testing::Test {
 protected:
  Terminal() {
    EXPECT_EQ(::pipe(pipe_), 0);
    old_stdout_ = ::dup(STDOUT_FILENO);
    ::dup2(pipe_[1], STDOUT_FILENO);
    for (const char* name : {"COLUMNS", "NO_COLOR", "CLICOLOR_FORCE"}) ::unsetenv(name);
  }
  ~Terminal() override {
    ::dup2(old_stdout_, STDOUT_FILENO);
    for (const int descriptor : {old_stdout_, pipe_[0], pipe_[1]}) ::close(descriptor);
  }

  int pipe_[2] = {-1, -1};
  int old_stdout_ = -1;
};

TEST_F(Terminal, WidthFollowsColumnsElseIsAHundred) {
  EXPECT_EQ(terminal_width(), 100);
  ::setenv("COLUMNS", "72", 1);
  EXPECT_EQ(terminal_width(), 72);
  for (const char* nonsense : {"", "0", "-5", "7", "wide"}) {
    ::setenv("COLUMNS", nonsense, 1);
    EXPECT_EQ(terminal_width(), 100) << nonsense;
  }
}

TEST_F(Terminal, AFileGetsNoColorUnlessForced) {
  EXPECT_FALSE(use_color());
  ::setenv("CLICOLOR_FORCE", "0", 1);
  EXPECT_FALSE(use_color());
  ::setenv("CLICOLOR_FORCE", "1", 1);
  EXPECT_TRUE(use_color());
  ::setenv("NO_COLOR", "1", 1);
  EXPECT_FALSE(use_color());
}

}  // namespace
}  // namespace weir
