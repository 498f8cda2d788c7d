#include <algorithm>
#include <fstream>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/tasks/tokenizers.h"
#include "weir/base/error.h"
#include "weir/tasks/prompt_files.h"
#include "weir/tasks/relation.h"
#include "weir/tasks/task.h"

namespace weir {
namespace {

using testing::smollm2;

TaskOptions some(int64_t n, const std::string& variant = "", const std::string& corruption = "") {
  TaskOptions options;
  options.n = n;
  options.seed = 3;
  options.variant = variant;
  options.corruption = corruption;
  return options;
}

std::string text_of(const std::vector<int64_t>& ids) { return smollm2().decode(ids); }

class EveryTask : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryTask, NamesItsPartsAndGivesTheSameSetForASeed) {
  for (const int64_t shots : {0, 2}) {
    TaskOptions options = some(12);
    options.shots = shots;
    const PromptSet set = make_task(GetParam(), options, smollm2());
    ASSERT_EQ(set.size(), 12);
    const PromptSet again = make_task(GetParam(), options, smollm2());
    for (int64_t n = 0; n < set.size(); ++n) {
      const Prompt& prompt = set.prompts[static_cast<size_t>(n)];
      EXPECT_EQ(prompt.clean.tokens, again.prompts[static_cast<size_t>(n)].clean.tokens);
      EXPECT_FALSE(prompt.answer.empty());
      EXPECT_EQ(prompt.clean.roles.at("end") + 1, static_cast<int64_t>(prompt.clean.tokens.size()));
      if (!prompt.corrupt.tokens.empty()) {
        EXPECT_EQ(prompt.corrupt.tokens.size(), prompt.clean.tokens.size());
        EXPECT_NE(prompt.corrupt.tokens, prompt.clean.tokens);
      }
      for (const auto& [role, place] : prompt.clean.roles) {
        EXPECT_GE(place, 0) << role;
        EXPECT_LT(place, static_cast<int64_t>(prompt.clean.tokens.size())) << role;
      }
      if (prompt.clean.text.empty()) continue;
      // The answer is what the text's own continuation would be.
      std::vector<int64_t> whole = prompt.clean.tokens;
      whole.insert(whole.end(), prompt.answer.begin(), prompt.answer.end());
      EXPECT_EQ(smollm2().encode(text_of(whole)).ids, whole) << text_of(whole);
    }
    options.seed = 4;
    EXPECT_NE(make_task(GetParam(), options, smollm2()).clean_rows(), set.clean_rows());
  }
}

TEST_P(EveryTask, ComesBackFromItsFile) {
  const io::TemporaryFolder folder;
  const PromptSet set = make_task(GetParam(), some(5), smollm2());
  write_prompt_set(set, folder / "set.jsonl");
  const PromptSet back = read_prompt_set(folder / "set.jsonl", smollm2());
  ASSERT_EQ(back.size(), set.size());
  for (size_t n = 0; n < set.prompts.size(); ++n) {
    const Prompt &a = set.prompts[n], &b = back.prompts[n];
    EXPECT_EQ(a.clean.tokens, b.clean.tokens);
    EXPECT_EQ(a.clean.roles, b.clean.roles);
    EXPECT_EQ(a.corrupt.tokens, b.corrupt.tokens);
    EXPECT_EQ(a.answer, b.answer);
    EXPECT_EQ(a.wrong, b.wrong);
    EXPECT_EQ(a.labels, b.labels);
    EXPECT_EQ(a.groups, b.groups);
  }
}

TEST_P(EveryTask, IsTextToTrainOn) {
  const io::TemporaryFolder folder;
  const PromptSet set = make_task(GetParam(), some(5), smollm2());
  write_sentences(set, smollm2(), 3, folder / "text.txt");
  std::multiset<std::string> lines;
  std::string line;
  for (std::ifstream text(folder / "text.txt"); std::getline(text, line);) lines.insert(line);
  EXPECT_EQ(static_cast<int64_t>(lines.size()), 3 * set.size());
  std::vector<int64_t> whole = set.prompts[0].clean.tokens;
  std::string first = smollm2().decode(whole, true) + smollm2().decode(set.prompts[0].answer) + ".";
  std::replace(first.begin(), first.end(), '\n', ' ');
  EXPECT_GE(lines.count(first), 3U) << first;
}

std::vector<std::string> task_names() {
  std::vector<std::string> names;
  for (const Task& task : tasks()) names.push_back(task.name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Tasks, EveryTask, ::testing::ValuesIn(task_names()), [](const auto& task) {
  std::string name = task.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Capitals, AtMost225DifferentPromptsExist) {
  const PromptSet set = make_task("capitals", some(500), smollm2());
  EXPECT_EQ(set.size(), 225);
  std::set<std::vector<int64_t>> different;
  for (const Prompt& prompt : set.prompts) different.insert(prompt.clean.tokens);
  EXPECT_EQ(different.size(), 225U);
  EXPECT_THAT(set.notes, ::testing::Contains(::testing::HasSubstr("225 different prompts")));
}

TEST(Capitals, SubjectRelationAndEndStandWhereTheWordsAre) {
  const PromptSet set = make_task("capitals", some(40, "possessive"), smollm2());
  for (const Prompt& prompt : set.prompts) {
    const auto word = [&](const char* role) {
      return smollm2().display(
          prompt.clean.tokens[static_cast<size_t>(prompt.clean.roles.at(role))]);
    };
    EXPECT_EQ(word("end"), " is");
    EXPECT_EQ(word("relation_last"), " capital");
    EXPECT_EQ(prompt.clean.tokens[static_cast<size_t>(prompt.clean.roles.at("subject_first"))],
              prompt.labels.at("subject"));
  }
}

TEST(Ioi, NamesPlayTheirParts) {
  for (const std::string& order : {std::string("abba"), std::string("baba")}) {
    for (const Prompt& prompt : make_task("ioi", some(30, order), smollm2()).prompts) {
      const auto at = [&](const char* role) {
        return prompt.clean.tokens[static_cast<size_t>(prompt.clean.roles.at(role))];
      };
      EXPECT_EQ(at("io_first"), prompt.answer.front());
      EXPECT_EQ(at("s1_first"), at("s2_first"));
      EXPECT_EQ(at("s2_first"), prompt.wrong.front());
      EXPECT_EQ(prompt.clean.roles.at("io_first") < prompt.clean.roles.at("s1_first"),
                order == "abba");
      // ABC: the partner's three names differ from each other and from the clean ones.
      std::set<int64_t> names = {prompt.answer.front(), prompt.wrong.front()};
      for (const char* role : {"io_first", "s1_first", "s2_first"}) {
        names.insert(prompt.corrupt.tokens[static_cast<size_t>(prompt.corrupt.roles.at(role))]);
      }
      EXPECT_EQ(names.size(), 5U);
    }
  }
}

TEST(LaundryList, TheTargetIsTheOnlyItemNamedOnce) {
  for (const Prompt& prompt : make_task("laundry-list", some(20, "odd-5"), smollm2()).prompts) {
    std::map<int64_t, int> count;
    for (const int64_t id : prompt.clean.tokens) ++count[id];
    for (const auto& [role, place] : prompt.clean.roles) {
      const int n_times = count[prompt.clean.tokens[static_cast<size_t>(place)]];
      if (role == "target_first") {
        EXPECT_EQ(n_times, 1);
      } else if (role.rfind("item", 0) == 0) {
        EXPECT_EQ(n_times, 2) << role;
      }
    }
  }
}

TEST(Relation, ShotsNeverGiveTheAnswerAway) {
  const Relation relation = load_relation("country_capital_city");
  ASSERT_EQ(relation.samples.size(), 24U);
  RelationOptions options;
  options.shots = 4;
  for (const TextPrompt& prompt : relation_prompts(relation, options)) {
    EXPECT_EQ(std::count(prompt.clean.text.begin(), prompt.clean.text.end(), '\n'), 4);
    EXPECT_EQ(prompt.clean.text.find(prompt.answer), std::string::npos) << prompt.clean.text;
    const auto& span = prompt.clean.parts.at("subject");
    EXPECT_EQ(prompt.clean.text.substr(span.begin, span.end - span.begin),
              prompt.groups.at("subject"));
  }
}

TEST(Relation, MendsNamesThatAreEscapedTwice) {
  const io::TemporaryFolder folder;
  folder.write("r.json", R"({"prompt_templates": ["{} has"],
    "samples": [{"subject": "Brazil", "object": "Bras\\u00edlia"}]})");
  EXPECT_EQ(load_relation((folder / "r.json").string()).samples[0].object, "Brasília");
}

TEST(PromptFiles, ReadWhatOthersWrite) {
  const io::TemporaryFolder folder;
  const auto read = [&](const std::string& name, const std::string& text) {
    folder.write(name, text);
    return read_prompt_set(folder / name, smollm2()).prompts.at(0);
  };
  const Prompt pair =
      read("a.json", R"({"prompts": [{"clean": "The sky is", "corrupt": "The sea is",
      "answers": [" blue"], "wrong_answers": [" wet"]}]})");
  EXPECT_EQ(text_of(pair.answer), " blue");
  EXPECT_EQ(text_of(pair.wrong), " wet");
  EXPECT_EQ(text_of(pair.corrupt.tokens), "The sea is");
  const Prompt known = read("k.json", R"([{"known_id": 0, "subject": "Vinson Massif",
      "attribute": "Antarctica", "prompt": "Vinson Massif is located in the continent of"}])");
  EXPECT_EQ(text_of({known.answer.front()}), " Antarctica");
  EXPECT_EQ(known.clean.roles.at("subject_first"), 0);
  const Prompt counterfact = read("c.json", R"([{"requested_rewrite": {"prompt": "{} was born in",
      "subject": "Danielle Darrieux", "target_true": {"str": "France"}, "target_new": {"str": "Italy"}}}])");
  EXPECT_EQ(counterfact.clean.text, "Danielle Darrieux was born in");
  EXPECT_EQ(text_of(counterfact.wrong), " Italy");
  const Prompt own =
      read("o.jsonl", R"({"text": "I like tea", "parts": {"drink": [7, 10]}, "answer": "."})");
  EXPECT_EQ(own.clean.roles.at("drink_first"), 2);
}

TEST(PromptFiles, BrokenOnesAreNamed) {
  const io::TemporaryFolder folder;
  for (const char* line :
       {"{\"text\": 3}", "[]", "{\"text\": \"a\", \"answer\": \"b\", \"parts\": {\"p\": [0, 9]}}",
        "{\"tokens\": [-1]}", "{\"tokens\": []}", "{"}) {
    folder.write("s.jsonl", std::string("\n") + line + "\n");
    try {
      read_prompt_set(folder / "s.jsonl", smollm2());
      ADD_FAILURE() << "expected a refusal of " << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << error.what();
      EXPECT_THAT(error.what(), ::testing::HasSubstr("line 2"));
    }
  }
}

TEST(Tasks, UnknownNamesAreToldWithTheNearest) {
  try {
    make_task("capital", some(1), smollm2());
    FAIL() << "expected a refusal";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("did you mean capitals"));
  }
  EXPECT_THROW(make_task("ioi", some(1, "acdc"), smollm2()), Error);
}

}  // namespace
}  // namespace weir
