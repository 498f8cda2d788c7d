// Variants and corruptions of the generators.
#include <algorithm>
#include <cstdlib>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tasks/tokenizers.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing::smollm2;

PromptSet made(const std::string& task, const std::string& variant, const std::string& corruption,
               int64_t n = 24) {
  TaskOptions options;
  options.n = n;
  options.variant = variant;
  options.corruption = corruption;
  return make_task(task, options, smollm2());
}

int64_t at(const RoleTokens& row, const std::string& role) {
  return row.tokens[static_cast<size_t>(row.roles.at(role))];
}

TEST(Generators, EveryVariantAndCorruptionGivesPairs) {
  for (const Task& task : tasks()) {
    for (const std::string& variant : task.variants) {
      EXPECT_GT(made(task.name, variant, "", 4).size(), 0) << task.name << variant;
    }
    for (const std::string& corruption : task.corruptions) {
      if (corruption.rfind("to-", 0) == 0) continue;  // Not of the country itself.
      int64_t n_pairs = 0;
      const PromptSet set = made(task.name, "", corruption);
      for (const Prompt& prompt : set.prompts) n_pairs += !prompt.corrupt.tokens.empty();
      EXPECT_GE(n_pairs, set.size() - 2) << task.name << " " << corruption;
      EXPECT_TRUE(set.has_wrong()) << task.name << " " << corruption;
      for (const Prompt& prompt : set.prompts) {
        EXPECT_NE(prompt.answer, prompt.wrong) << task.name << " " << corruption;
      }
    }
  }
}

TEST(Capitals, OfOneCountryHaveFifteenCarriers) {
  const PromptSet set = made("capitals", "only-France", "", 100);
  EXPECT_EQ(set.size(), 15);
  EXPECT_EQ(set.group("subject").names, std::vector<std::string>{"France"});
  EXPECT_EQ(set.group("template").names.size(), 15U);
}

TEST(Capitals, MayAllBecomeOneCountry) {
  for (const Prompt& prompt : made("capitals", "", "to-Japan", 60).prompts) {
    const bool is_japan = prompt.groups.at("subject") == "Japan";
    EXPECT_EQ(prompt.corrupt.tokens.empty(), is_japan) << prompt.clean.text;
    if (is_japan) continue;
    EXPECT_EQ(smollm2().display(at(prompt.corrupt, "subject_first")), " Japan");
    EXPECT_EQ(smollm2().decode(prompt.wrong), " Tokyo");
  }
}

TEST(Capitals, CutCarriersLoseThirteenCharacters) {
  const PromptSet whole = made("capitals", "the-capital-of", ""),
                  cut = made("capitals", "cut-carrier", "");
  for (size_t n = 0; n < cut.prompts.size(); ++n) {
    // "Keep in mind," and "Bear in mind," are no longer than that.
    EXPECT_EQ(cut.prompts[n].clean.text,
              whole.prompts[n].clean.text.substr(
                  std::min<size_t>(13, whole.prompts[n].clean.text.find(" the capital of"))));
  }
}

TEST(Capitals, AnotherNounLeavesTheCountryToCompareWith) {
  for (const Prompt& prompt : made("capitals", "", "relation").prompts) {
    EXPECT_EQ(prompt.wrong.front(), prompt.labels.at("subject"));
    EXPECT_EQ(at(prompt.corrupt, "subject_first"), at(prompt.clean, "subject_first"));
    EXPECT_EQ(at(prompt.clean, "relation_last"), prompt.labels.at("relation"));
    EXPECT_NE(at(prompt.corrupt, "relation_last"), prompt.labels.at("relation"));
  }
}

TEST(Capitals, ACityIsNotInThePrompt) {
  EXPECT_THAT(made("capitals", "", "city").notes,
              Contains(HasSubstr("24 of 24 partners are the prompts themselves")));
}

TEST(Ioi, CorruptionsChangeTheNamesTheySay) {
  const std::map<std::string, std::vector<std::string>> changed = {
      {"flip", {"s2_first"}},
      {"random-s2", {"s2_first"}},
      {"random-s1", {"s1_first"}},
      {"random-io", {"io_first"}},
      {"swap", {"io_first", "s1_first"}},
      {"abc", {"io_first", "s1_first", "s2_first"}}};
  for (const auto& [corruption, roles] : changed) {
    for (const Prompt& prompt : made("ioi", "mixed", corruption).prompts) {
      std::vector<int64_t> expected = prompt.clean.tokens;
      for (const std::string& role : roles) {
        EXPECT_NE(at(prompt.corrupt, role), at(prompt.clean, role)) << corruption;
        expected[static_cast<size_t>(prompt.clean.roles.at(role))] = at(prompt.corrupt, role);
      }
      EXPECT_EQ(prompt.corrupt.tokens, expected) << corruption;
      if (corruption == "flip") {
        EXPECT_EQ(at(prompt.corrupt, "s2_first"), prompt.answer.front());
      }
      if (corruption != "swap") continue;
      EXPECT_EQ(at(prompt.corrupt, "io_first"), prompt.wrong.front());
      EXPECT_EQ(at(prompt.corrupt, "s1_first"), prompt.answer.front());
    }
  }
}

TEST(Ioi, NamesMayStandFarApartAndLate) {
  for (const char* variant : {"early-io", "late-io"}) {
    for (const Prompt& prompt : made("ioi", variant, "").prompts) {
      const auto io = prompt.clean.roles.at("io_first"), s1 = prompt.clean.roles.at("s1_first");
      EXPECT_EQ(io < s1, std::string(variant) == "early-io") << prompt.clean.text;
      EXPECT_GT(std::abs(io - s1), 4) << prompt.clean.text;
      EXPECT_EQ(at(prompt.clean, "io_first"), prompt.answer.front()) << prompt.clean.text;
      EXPECT_EQ(at(prompt.clean, "s1_first"), prompt.wrong.front()) << prompt.clean.text;
      EXPECT_FALSE(prompt.corrupt.tokens.empty()) << prompt.clean.text;
    }
  }
  for (const Prompt& prompt : made("ioi", "long", "").prompts) {
    EXPECT_GT(std::min(prompt.clean.roles.at("io_first"), prompt.clean.roles.at("s1_first")), 14);
  }
}

TEST(Ioi, TheWordAfterS1HasARole) {
  for (const Prompt& prompt : made("ioi", "mixed", "").prompts) {
    EXPECT_EQ(prompt.clean.roles.at("s1_next_first"), prompt.clean.roles.at("s1_last") + 1);
  }
}

TEST(GreaterThan, YearsHaveAPartnerOfTheirLength) {
  for (const auto& [name, make] : testing::tokenizers()) {
    TaskOptions options;
    options.n = 60;
    const PromptSet set = make_task("greater-than", options, make());
    EXPECT_TRUE(set.has_pairs()) << name;
  }
}

TEST(RepeatedTokens, TheWrongTokenIsNotTheAnswer) {
  // 105 tokens: two random ones are often the same.
  const auto tiny =
      Tokenizer::from_sentencepiece(testing::golden_tokenizers() / "llama2c/tok105.model");
  TaskOptions options;
  options.n = 300;
  options.shots = 1;
  for (const Prompt& prompt : make_task("repeated-tokens", options, tiny).prompts) {
    EXPECT_NE(prompt.answer, prompt.wrong);
    const auto half = static_cast<int64_t>(prompt.clean.tokens.size()) -
                      prompt.clean.roles.at("second_first") + 1;
    EXPECT_EQ(half, 25);
    EXPECT_EQ(at(prompt.clean, "end"),
              prompt.clean.tokens[static_cast<size_t>(prompt.clean.roles.at("end") - half)]);
  }
}

}  // namespace
}  // namespace weir
