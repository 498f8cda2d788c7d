#include "weir/report/links.h"

#include <gtest/gtest.h>

#include "weir/report/base64.h"

namespace weir::report {
namespace {

TEST(Anchor, IsTheTitlesLettersAndDigits) {
  EXPECT_EQ(anchor_of("Top token of each layer"), "block-top-token-of-each-layer");
  EXPECT_EQ(anchor_of("  L5H1: \"induction\"? "), "block-l5h1-induction");
  EXPECT_EQ(anchor_of("\u6771\u4eac 2"), "block-\u6771\u4eac-2");
  EXPECT_EQ(anchor_of("?!"), "");
  EXPECT_EQ(anchor_of(""), "");
  EXPECT_EQ(anchor_of("a\u200b\xff"
                      "b"),
            "block-a-b");
}

TEST(Anchor, IsCutBetweenCharacters) {
  std::string title;
  for (int i = 0; i < 40; ++i) title += "\u6771";
  EXPECT_EQ(anchor_of(title).size(), std::string("block-").size() + 60);
}

TEST(Href, EncodesPathsAndTitles) {
  EXPECT_EQ(href_of("#Prompt 2"), "#block-prompt-2");
  EXPECT_EQ(href_of("pages/a b?.html"), "pages/a%20b%3F.html");
  EXPECT_EQ(href_of("../x.html#A & B"), "../x.html#block-a-b");
  EXPECT_EQ(href_of("\"><script>"), "%22%3E%3Cscript%3E");
}

TEST(Target, StaysBelowOrBesideThePage) {
  EXPECT_EQ(target_fault("a.html"), "");
  EXPECT_EQ(target_fault("../a.html#T"), "");
  for (const char* target : {"/a", "//a", "http://a", "javascript:x", "a\\b", "", "#", "a.html#"}) {
    EXPECT_NE(target_fault(target), "") << target;
  }
}

// The vectors of RFC 4648, section 10.
TEST(Base64, IsThatOfTheRfc) {
  for (const auto& [bytes, text] :
       std::vector<std::pair<std::string, std::string>>{{"", ""},
                                                        {"f", "Zg=="},
                                                        {"fo", "Zm8="},
                                                        {"foo", "Zm9v"},
                                                        {"foob", "Zm9vYg=="},
                                                        {"fooba", "Zm9vYmE="},
                                                        {"foobar", "Zm9vYmFy"}}) {
    EXPECT_EQ(base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  EXPECT_EQ(from_base64(base64(all)), all);
}

TEST(Base64, RefusesOtherText) {
  for (const char* text : {"Zg=", "Zg", "Z===", "Zh==", "Zm9=", "Z g=", "====", "Zg==Zg=="}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace weir::report
