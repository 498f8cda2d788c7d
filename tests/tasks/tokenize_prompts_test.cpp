// Prompts on vocabularies of every kind: byte-level BPE with and without BOS, SentencePiece.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/refusal.h"
#include "tests/tasks/tokenizers.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing::smollm2;

TextPrompt question(const std::string& text, const std::string& answer) {
  TextPrompt prompt;
  prompt.clean = PromptText().add(text);
  prompt.answer = answer;
  return prompt;
}

class EveryTokenizer : public ::testing::TestWithParam<std::string> {
 protected:
  const Tokenizer tokenizer_ = testing::tokenizers().at(GetParam())();

  /// Whether the vocabulary has all of the text's characters (the small SentencePiece model lacks
  /// digits and some capitals).
  bool can_spell(const std::string& text) const {
    const auto unknown = tokenizer_.special().unk;
    const auto ids = tokenizer_.encode(text, false).ids;
    return !unknown || std::count(ids.begin(), ids.end(), *unknown) == 0;
  }
  std::string text_of(const RoleTokens& row, const std::string& part) const {
    const auto first = row.tokens.begin() + row.roles.at(part + "_first");
    const auto last = row.tokens.begin() + row.roles.at(part + "_last");
    const std::string text = tokenizer_.decode({first, last + 1});
    return text.substr(text.find_first_not_of(' '));
  }
};

INSTANTIATE_TEST_SUITE_P(Tasks, EveryTokenizer, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& [name, make] : testing::tokenizers())
                             names.push_back(name);
                           return names;
                         }()),
                         [](const auto& name) { return name.param; });

TEST_P(EveryTokenizer, RolesOfShotsAreThoseOfTheLastExample) {
  for (const char* task : {"capitals", "country_capital_city", "word_first_letter"}) {
    for (const int64_t shots : {0, 3}) {
      TaskOptions options;
      options.n = 20;
      options.shots = shots;
      const PromptSet set = make_task(task, options, tokenizer_);
      for (const Prompt& prompt : set.prompts) {
        const std::string& subject = prompt.groups.at("subject");
        if (can_spell(subject)) {
          EXPECT_EQ(text_of(prompt.clean, "subject"), subject);
        }
        const auto n = static_cast<int64_t>(prompt.clean.tokens.size());
        EXPECT_EQ(prompt.clean.roles.at("end"), n - 1);
        // The clause of the subject is the last one: no other example between it and the end.
        const auto& text = prompt.clean.text;
        EXPECT_EQ(text.find('\n', text.rfind(subject)), std::string::npos);
        if (prompt.corrupt.tokens.empty()) continue;
        EXPECT_EQ(prompt.corrupt.tokens.size(), prompt.clean.tokens.size());
        EXPECT_NE(text_of(prompt.corrupt, "subject"), subject);
      }
    }
  }
}

TEST_P(EveryTokenizer, AnAnswerIsNoSpace) {
  TaskOptions options;
  options.n = 30;
  for (const char* task : {"arithmetic", "capitals", "greater-than"}) {
    const PromptSet set = make_task(task, options, tokenizer_);
    ASSERT_GT(set.size(), 0) << task;
    for (const Prompt& prompt : set.prompts) {
      EXPECT_NE(tokenizer_.display(prompt.answer.front()), " ") << prompt.clean.text;
      EXPECT_NE(tokenizer_.display(prompt.wrong.front()), " ") << prompt.clean.text;
    }
  }
}

TEST_P(EveryTokenizer, PromptAndAnswerSpellTheSolvedText) {
  const PromptSet set = tokenize_prompts(
      tokenizer_, {question("58 + 16 =", " 74"), question("He was born in", " 1735")}, {"t"});
  const auto spell = [&](const Prompt& prompt) {
    std::vector<int64_t> ids = prompt.clean.tokens;
    ids.insert(ids.end(), prompt.answer.begin(), prompt.answer.end());
    return tokenizer_.decode(ids, true);
  };
  if (!can_spell("58 + 16 = 74 He was born in 1735")) GTEST_SKIP() << "no digits";
  EXPECT_THAT(spell(set.prompts[0]), HasSubstr("58 + 16 = 74"));
  EXPECT_THAT(spell(set.prompts[1]), HasSubstr("He was born in 1735"));
}

TEST_P(EveryTokenizer, RandomPartnersKeepWhatIsSpecial) {
  TaskOptions options;
  options.n = 5;
  options.corruption = kRandomTokens;
  for (const Prompt& prompt : make_task("capitals", options, tokenizer_).prompts) {
    ASSERT_EQ(prompt.corrupt.tokens.size(), prompt.clean.tokens.size());
    EXPECT_NE(prompt.corrupt.tokens, prompt.clean.tokens);
    for (size_t t = 0; t < prompt.clean.tokens.size(); ++t) {
      EXPECT_EQ(tokenizer_.is_special(prompt.clean.tokens[t]),
                tokenizer_.is_special(prompt.corrupt.tokens[t]));
    }
    EXPECT_FALSE(prompt.wrong.empty()) << "another country's capital";
  }
}

TEST(TokenizePrompts, TheSpaceBeforeDigitsEndsThePrompt) {
  TextPrompt prompt = question("58 + 16 =", " 74");
  prompt.corruptions = {{PromptText().add("58 + 17 ="), " 75"},
                        {PromptText().add("58 + 27 ="), " 85"}};
  const PromptSet set = tokenize_prompts(smollm2(), {prompt}, {"t"});
  const Prompt& made = set.prompts.front();
  EXPECT_EQ(smollm2().display(made.clean.tokens.back()), " ");
  EXPECT_EQ(smollm2().decode(made.answer), "74");
  EXPECT_EQ(made.corrupt.tokens.size(), made.clean.tokens.size());
  // 75 begins with the answer's digit: the second partner is the better one.
  EXPECT_EQ(smollm2().decode(made.wrong), "85");
}

TEST(TokenizePrompts, AWrongAnswerIsThereWithoutAPartnerOfTheLength) {
  TextPrompt prompt = question("The capital of France is", " Paris");
  prompt.corruptions = {{PromptText().add("The capital of the United Kingdom is"), " London"}};
  const PromptSet set = tokenize_prompts(smollm2(), {prompt}, {"t"});
  EXPECT_FALSE(set.has_pairs());
  EXPECT_EQ(smollm2().decode(set.prompts[0].wrong), " London");
  EXPECT_THAT(set.notes, Contains(HasSubstr("1 of 1 prompts have no partner")));
  TokenizeOptions pairs{"t"};
  pairs.needs_pairs = true;
  EXPECT_THAT(testing::refusal([&] { tokenize_prompts(smollm2(), {prompt}, pairs); }),
              HasSubstr("partner of the same length"));
}

TEST(TokenizePrompts, NotesNameWhatAFirstTokenScoreConfuses) {
  TextPrompt same = question("Her villain is Red", " Red Mist");
  same.wrong = " Red Skull";
  TextPrompt none = question("His villain is", " Red Skull");
  const PromptSet set = tokenize_prompts(smollm2(), {same, none}, {"t"});
  EXPECT_THAT(set.notes, Contains(HasSubstr("share their first token: ' Red' of")));
  EXPECT_THAT(set.notes, Contains(HasSubstr("in 1 of 2 prompts answer and wrong answer share")));
  EXPECT_THAT(set.notes, Contains(HasSubstr("1 of 2 prompts have no wrong answer")));
}

TEST(TokenizePrompts, APrefixStandsBeforePromptAndPartner) {
  TaskOptions options;
  options.n = 6;
  options.prefix = "<|endoftext|>";
  const int64_t mark = smollm2().id_of("<|endoftext|>").value();
  for (const char* task : {"capitals", "country_language", "repeated-tokens"}) {
    const PromptSet set = make_task(task, options, smollm2());
    options.prefix.clear();
    const PromptSet bare = make_task(task, options, smollm2());
    options.prefix = "<|endoftext|>";
    for (size_t n = 0; n < set.prompts.size(); ++n) {
      const Prompt &with = set.prompts[n], &without = bare.prompts[n];
      EXPECT_EQ(with.clean.tokens.front(), mark);
      EXPECT_EQ(with.corrupt.tokens.front(), mark);
      EXPECT_EQ(with.clean.tokens.size(), without.clean.tokens.size() + 1);
      for (const auto& [role, place] : without.clean.roles) {
        EXPECT_EQ(with.clean.roles.at(role), place + 1) << role;
      }
    }
  }
}

}  // namespace
}  // namespace weir
