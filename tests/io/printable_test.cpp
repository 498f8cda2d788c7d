#include "weir/io/printable.h"

#include <gtest/gtest.h>

namespace weir::io {
namespace {

TEST(Printable, KeepsTextAndReplacesWhatWouldBreakALine) {
  EXPECT_EQ(printable("model.é水😀"), "model.é水😀");
  EXPECT_EQ(printable("a\nb\x1b[31m\x7f"), "a?b?[31m?");
  EXPECT_EQ(printable("\xff\xc3"), "??");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a?b");
}

TEST(Printable, CutsLongText) {
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("a水水", 3), "a水...");
}

TEST(IsUtf8, AgreesWithTheStandard) {
  for (const char* text : {"", "abc", "é", "水", "😀", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  for (const char* text :
       {"\x80", "\xc3", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\x80", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe6\xb0", "a\xffz"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

}  // namespace
}  // namespace weir::io
