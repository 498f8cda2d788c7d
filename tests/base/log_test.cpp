#include "weir/base/log.h"

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

}  // namespace
}  // namespace weir::log
