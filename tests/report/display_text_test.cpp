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

TEST(Visible, ShowsWhatWouldLookLikeNothingOrLikeABlank) {
  // Alone, at an end and inside of a word: every kind of space but the plain one, zero-width and
  // direction marks, fillers, selectors, tags.
  for (const auto& [text, name] : std::vector<std::pair<std::string, std::string>>{
           {"\u00a0", "<U+00A0>"},     {"\u1680", "<U+1680>"}, {"\u2003", "<U+2003>"},
           {"\u2009", "<U+2009>"},     {"\u202f", "<U+202F>"}, {"\u205f", "<U+205F>"},
           {"\u3000", "<U+3000>"},     {"\u200b", "<U+200B>"}, {"\u2060", "<U+2060>"},
           {"\ufeff", "<U+FEFF>"},     {"\u200e", "<U+200E>"}, {"\u200f", "<U+200F>"},
           {"\u061c", "<U+061C>"},     {"\u2066", "<U+2066>"}, {"\u2069", "<U+2069>"},
           {"\u00ad", "<U+00AD>"},     {"\u034f", "<U+034F>"}, {"\u115f", "<U+115F>"},
           {"\u3164", "<U+3164>"},     {"\uffa0", "<U+FFA0>"}, {"\u2800", "<U+2800>"},
           {"\u180e", "<U+180E>"},     {"\u180b", "<U+180B>"}, {"\u17b4", "<U+17B4>"},
           {"\ufe00", "<U+FE00>"},     {"\ufe0f", "<U+FE0F>"}, {"\u200c", "<U+200C>"},
           {"\u200d", "<U+200D>"},     {"\u2028", "<U+2028>"}, {"\U000e0041", "<U+E0041>"},
           {"\U0001d173", "<U+1D173>"}}) {
    EXPECT_EQ(visible(text), name);
    EXPECT_EQ(visible(text, Spaces::kMarked), name);
    EXPECT_EQ(visible("a" + text), "a" + name);
    EXPECT_EQ(visible("a" + text + "b"), "a" + name + "b");
    EXPECT_EQ(visible(text + "b"), name + "b");
  }
}

TEST(Visible, KeepsEmojiAndKeycapsWhole) {
  // Family, heart on fire, the key 1; the selectors themselves are dropped.
  EXPECT_EQ(visible("\U0001f468\u200d\U0001f469"), "\U0001f468\u200d\U0001f469");
  EXPECT_EQ(visible("\u2764\ufe0f\u200d\U0001f525"), "\u2764\u200d\U0001f525");
  EXPECT_EQ(visible("1\ufe0f\u20e3"), "1\u20e3");
  EXPECT_EQ(visible("1\ufe0f"), "1<U+FE0F>");
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
