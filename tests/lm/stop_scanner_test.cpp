#include "weir/lm/stop_scanner.h"

#include <gtest/gtest.h>

#include "weir/base/error.h"

namespace weir {
namespace {

TEST(StopScanner, PassesTextThroughWithoutStopStrings) {
  StopScanner scanner({});
  EXPECT_EQ(scanner.push("a\n"), "a\n");
  EXPECT_EQ(scanner.push("b"), "b");
  EXPECT_EQ(scanner.finish(), "");
}

TEST(StopScanner, HoldsBackWhatMayBecomeAStopString) {
  StopScanner scanner({"\n\nQ:"});
  EXPECT_EQ(scanner.push("yes\n"), "yes");
  EXPECT_EQ(scanner.push("\n"), "");
  EXPECT_EQ(scanner.push("\n"), "\n");
  EXPECT_EQ(scanner.push("Q"), "");
  EXPECT_FALSE(scanner.stopped());
  EXPECT_EQ(scanner.push(": what"), "");
  EXPECT_TRUE(scanner.stopped());
  EXPECT_EQ(scanner.push("more"), "");
  EXPECT_EQ(scanner.finish(), "");
}

TEST(StopScanner, GivesBackAFalseAlarm) {
  StopScanner scanner({"stop"});
  EXPECT_EQ(scanner.push("sto"), "");
  EXPECT_EQ(scanner.push("ry"), "story");
}

TEST(StopScanner, StopsAtTheFirstOfSeveral) {
  StopScanner scanner({"dog", "a"});
  EXPECT_EQ(scanner.push("the cat and the dog"), "the c");
  EXPECT_TRUE(scanner.stopped());
}

TEST(StopScanner, NeverShowsAPartOfAStopStringWhereverPiecesBreak) {
  const std::string text = "ababac abacabad end";
  for (size_t first = 0; first <= text.size(); ++first) {
    for (size_t second = first; second <= text.size(); ++second) {
      StopScanner scanner({"abad"});
      std::string shown = scanner.push(text.substr(0, first));
      shown += scanner.push(text.substr(first, second - first));
      shown += scanner.push(text.substr(second));
      EXPECT_EQ(shown, "ababac abac") << first << " " << second;
      EXPECT_TRUE(scanner.stopped());
    }
  }
}

TEST(StopScanner, EndsWithTheHeldTextWhenNothingFollows) {
  StopScanner scanner({"END"});
  EXPECT_EQ(scanner.push("the E"), "the ");
  EXPECT_EQ(scanner.finish(), "E");
}

TEST(StopScanner, RefusesAnEmptyStopString) { EXPECT_THROW(StopScanner({"a", ""}), Error); }

}  // namespace
}  // namespace weir
