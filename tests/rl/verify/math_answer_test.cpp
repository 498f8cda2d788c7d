#include "weir/rl/verify/math_answer.h"

#include <gtest/gtest.h>

namespace weir::rl {
namespace {

bool same(const std::string& gold, const std::string& answer) {
  return same_answer(read_math_answer(gold), read_math_answer(answer));
}

TEST(MathAnswer, NumbersOfAnySizeAreExact) {
  EXPECT_TRUE(same("2^{200}", "4^{100}"));
  EXPECT_FALSE(same("2^{200}", "2^{200}+1"));
  EXPECT_FALSE(same("100!", "100!+1"));
  EXPECT_TRUE(same("\\frac{10!}{8!}", "90"));
  EXPECT_FALSE(same("0.1", "0.10000000000000000001"));
  EXPECT_TRUE(same("1 1/2", "1.5"));
  EXPECT_FALSE(same("\\frac{1}{23}", "\\frac{12}{3}"));  // Not by letters alone.
}

TEST(MathAnswer, FunctionsAreComparedAsFunctions) {
  EXPECT_TRUE(same("\\sqrt{x^2}", "|x|"));
  EXPECT_FALSE(same("\\sqrt{x^2}", "x"));
  EXPECT_TRUE(same("\\sin^2 x + \\cos^2 x", "1"));
  EXPECT_TRUE(same("\\sin 30^\\circ", "\\frac12"));
  EXPECT_TRUE(same("\\log_{10} 1000", "3"));
  EXPECT_TRUE(same("\\sqrt[3]{-8}", "-2"));
  EXPECT_TRUE(same("\\frac{x^2-1}{x-1}", "x+1"));
  EXPECT_FALSE(same("ab", "a+b"));
  EXPECT_TRUE(same("n(n+1)/2", "\\binom{n+1}{2}"));
}

TEST(MathAnswer, EquationsAndInequalitiesInAnyForm) {
  EXPECT_TRUE(same("2x+4y=6", "x+2y=3"));
  EXPECT_FALSE(same("2x+4y=6", "x+2y=4"));
  EXPECT_TRUE(same("x>3", "2x>6"));
  EXPECT_FALSE(same("x>3", "-x>-3"));
  EXPECT_TRUE(same("f(x)=2x", "2x"));
  EXPECT_TRUE(same("(-\\infty,-1)\\cup(1,\\infty)", "x<-1 \\text{ or } x>1"));
  EXPECT_TRUE(same("2, 3", "x=2, x=3"));
  EXPECT_TRUE(same("x=1, y=2", "y=2, x=1"));
  EXPECT_FALSE(same("x=1, y=2", "y=1, x=2"));
}

TEST(MathAnswer, UnitsMayBeLeftOutButNotChanged) {
  EXPECT_TRUE(same("12\\text{ cm}^2", "12 \\text{ square centimeters}"));
  EXPECT_FALSE(same("12\\text{ cm}^2", "12\\text{ cm}"));
  EXPECT_TRUE(same("7", "7 apples"));
  EXPECT_TRUE(same("30", "30 mph"));
  EXPECT_FALSE(same("7 apples", "8 apples"));
}

TEST(MathAnswer, ListsOfNumbersAreNoThousands) {
  EXPECT_TRUE(same("100, 200", "200, 100"));
  EXPECT_TRUE(same("(1,200)", "(1, 200)"));
  EXPECT_FALSE(same("(1,200)", "1200"));
}

// Nothing that a model may write ends the process or takes long.
TEST(MathAnswer, WhateverStandsInABoxIsAnswered) {
  for (const std::string& text :
       {std::string(3000, '('), std::string(3000, '{'), std::string(1500, '-'), std::string("\\"),
        std::string("9^{9^{9^{9}}}"), std::string("10000000!"), std::string("\\frac"),
        std::string("\\text{"), std::string("1/0"), std::string("_{2}"), std::string("||||"),
        std::string("\\begin{pmatrix}"), std::string("\xff\xfe"), std::string("\\sqrt["),
        std::string(1900, '1') + "^" + std::string(50, '2'), std::string(1999, '!')}) {
    EXPECT_FALSE(same("42", text)) << text.substr(0, 30);
    EXPECT_FALSE(same(text, "42")) << text.substr(0, 30);
  }
}

}  // namespace
}  // namespace weir::rl
