#include "weir/base/log.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace weir::log {
namespace {

class Log : public testing::Test {
 protected:
  Log() : old_level_(level()) {
    set_sink([this](Level level, std::string_view message) {
      seen_.emplace_back(level, std::string(message));
    });
  }
  ~Log() override {
    set_sink({});
    set_level(old_level_);
  }

  Level old_level_;
  std::vector<std::pair<Level, std::string>> seen_;
};

TEST_F(Log, SendsFormattedMessagesToTheSink) {
  set_level(Level::kDebug);
  debug("layer {}", 3);
  info("{} of {}", 1, 2);
  warn("done");
  const std::vector<std::pair<Level, std::string>> expected = {
      {Level::kDebug, "layer 3"}, {Level::kInfo, "1 of 2"}, {Level::kWarn, "done"}};
  EXPECT_EQ(seen_, expected);
}

TEST_F(Log, DropsWhatIsBelowTheLevel) {
  set_level(Level::kWarn);
  info("quiet");
  write(Level::kInfo, "quiet");
  write(Level::kError, "loud");
  set_level(Level::kOff);
  warn("quiet");
  write(Level::kError, "quiet");
  ASSERT_EQ(seen_.size(), 1U);
  EXPECT_EQ(seen_[0].second, "loud");
}

TEST_F(Log, TakesOneMessageAtATimeFromManyThreads) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int k = 0; k < 100; ++k) warn("message {}", k);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen_.size(), 400U);
}

TEST(LogToStderr, WritesTheTextAsItIs) {
  set_level(Level::kWarn);
  testing::internal::CaptureStderr();
  write(Level::kError, "{} is no placeholder here");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "weir: error: {} is no placeholder here\n");
}

// The variable is read once in a process, so each case runs in one of its own.
class LogEnvironmentDeathTest : public testing::Test {
 protected:
  LogEnvironmentDeathTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  ~LogEnvironmentDeathTest() override { ::unsetenv("WEIR_LOG"); }
};

[[noreturn]] void exit_with_level() { std::exit(static_cast<int>(level())); }

TEST_F(LogEnvironmentDeathTest, WeirLogSetsTheLevel) {
  const std::pair<const char*, Level> cases[] = {{"trace", Level::kTrace}, {"debug", Level::kDebug},
                                                 {"info", Level::kInfo},   {"warn", Level::kWarn},
                                                 {"error", Level::kError}, {"off", Level::kOff},
                                                 {"loud", Level::kWarn},   {"", Level::kWarn}};
  for (const auto& [text, expected] : cases) {
    ::setenv("WEIR_LOG", text, 1);
    EXPECT_EXIT(exit_with_level(), testing::ExitedWithCode(static_cast<int>(expected)), "") << text;
  }
}

TEST_F(LogEnvironmentDeathTest, WithoutItWarningsGoToStderr) {
  ::unsetenv("WEIR_LOG");
  const auto tell = [] {
    info("not this");
    warn("this");
    std::exit(0);
  };
  EXPECT_EXIT(tell(), testing::ExitedWithCode(0), "^weir: warning: this\n$");
}

}  // namespace
}  // namespace weir::log
