#include "weir/report/display_text.h"

#include <gtest/gtest.h>

namespace weir::report {
namespace {

TEST(Visible, ShowsControlAndInvisibleCharacters) {
  EXPECT_EQ(visible("a\nb\tc"), "a\u21b5b\u21e5c");
  EXPECT_EQ(visible("\x1b[31m"), "\u241b[31m");
  EXPECT_EQ(visible("\x7f"), "\u2421");
  EXPECT_EQ(visible("\xc2\x9b"), "<U+009B>");
  EXPECT_EQ(visible("\xe2\x80\xae"), "<U+202E>");
  EXPECT_EQ(visible("\xef\xbb\xbf"), "<U+FEFF>");
  EXPECT_EQ(visible(std::string_view("\0", 1)), "\u2400");
}

TEST(Visible, ReplacesBrokenBytesOneByOne) {
  EXPECT_EQ(visible("\xff\xc3"), "\ufffd\ufffd");
  EXPECT_EQ(visible("\xe6\x9d"), "\ufffd\ufffd");
  EXPECT_EQ(visible("\xed\xa0\x80"), "\ufffd\ufffd\ufffd");  // A surrogate.
  EXPECT_EQ(visible("\xc0\xaf"), "\ufffd\ufffd");            // An overlong slash.
}

TEST(Visible, MarksSpacesAtTheEndsOnly) {
  EXPECT_EQ(visible(" the end ", Spaces::kMarked), "\u2423the end\u2423");
  EXPECT_EQ(visible("  ", Spaces::kMarked), "\u2423\u2423");
  EXPECT_EQ(visible(" the"), " the");
}

TEST(Visible, KeepsJoinersInsideAndShowsThemAtTheEnds) {
  EXPECT_EQ(visible("\u0645\u200c\u06cc"), "\u0645\u200c\u06cc");
  EXPECT_EQ(visible("\u200d"), "<U+200D>");
  EXPECT_EQ(visible("a\u200c"), "a<U+200C>");
}

TEST(Visible, GivesALoneCombiningMarkSomethingToSitOn) {
  EXPECT_EQ(visible("\u0301x"), "\u25cc\u0301x");
  EXPECT_EQ(visible("e\u0301"), "e\u0301");
}

TEST(Visible, ChangesNothingTheSecondTime) {
  const std::string once = visible(" \x1b\u0301 \xff\n", Spaces::kMarked);
  EXPECT_EQ(visible(once, Spaces::kMarked), once);
}

TEST(VisibleLines, EndAtNewlines) {
  EXPECT_EQ(visible_lines("a\n\nb\n"), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_TRUE(visible_lines("").empty());
}

TEST(DisplayWidth, CountsColumnsOfATerminal) {
  EXPECT_EQ(display_width("abc"), 3);
  EXPECT_EQ(display_width("\u6771\u4eac"), 4);
  EXPECT_EQ(display_width("e\u0301"), 1);
  EXPECT_EQ(display_width("\U0001f600"), 2);
  EXPECT_EQ(display_width("\u0120the"), 4);
  EXPECT_EQ(display_width("\ud55c"), 2);
}

TEST(Truncated, NeverExceedsTheWidth) {
  EXPECT_EQ(truncated("abcdef", 4), "abc\u2026");
  EXPECT_EQ(truncated("abcd", 4), "abcd");
  EXPECT_EQ(truncated("\u6771\u4eac\u90fd", 4), "\u6771\u2026");
  EXPECT_EQ(truncated("abc", 0), "");
}

TEST(Fitted, FillsWithSpaces) {
  EXPECT_EQ(fitted("ab", 5), "ab   ");
  EXPECT_EQ(fitted("ab", 5, Align::kRight), "   ab");
  EXPECT_EQ(fitted("ab", 5, Align::kCenter), " ab  ");
  EXPECT_EQ(display_width(fitted("\u6771\u4eac\u90fd", 4)), 4);
}

TEST(Wrapped, BreaksAtSpacesAndInsideLongWords) {
  EXPECT_EQ(wrapped("one two three", 8), (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrapped("abcdefgh", 3), (std::vector<std::string>{"abc", "def", "gh"}));
  EXPECT_EQ(wrapped("", 5), std::vector<std::string>{""});
}

}  // namespace
}  // namespace weir::report
