// Files that others publish, and options that files take.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/refusal.h"
#include "tests/tasks/tokenizers.h"
#include "weir/base/error.h"
#include "weir/tasks/prompt_files.h"

namespace weir {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using testing::smollm2;

class PromptFile : public ::testing::Test {
 protected:
  PromptSet read(const std::string& name, const std::string& text,
                 const TaskOptions& options = {}) {
    folder_.write(name, text);
    return read_prompt_set(folder_ / name, smollm2(), options);
  }
  std::string complaint(const std::string& name, const std::string& text) {
    try {
      read(name, text);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kCorruptData) << error.what();
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
      return error.what();
    }
    return "none";
  }
  static std::string text_of(const std::vector<int64_t>& ids) { return smollm2().decode(ids); }

  io::TemporaryFolder folder_;
};

TEST_F(PromptFile, ColoredObjectsAreListsOfTwo) {
  const PromptSet set = read("c.json", R"([["Q: What color is the pen?\nA:", " Blue"]])");
  EXPECT_EQ(text_of(set.prompts[0].answer), " Blue");
}

TEST_F(PromptFile, GreaterThanIsATableOfYears) {
  const PromptSet set = read("g.csv",
                             "clean,corrupted,label\n"
                             "The war lasted from the year 1352 to the year 13,The war lasted from "
                             "the year 1301 to the year 13,52\n"
                             "\"The war, again, from 1704 to the year 17\",\"The war, again, from "
                             "1701 to the year 17\",4\n");
  EXPECT_EQ(text_of(set.prompts[0].answer), "62");
  EXPECT_EQ(text_of(set.prompts[0].wrong), "42");
  EXPECT_EQ(text_of(set.prompts[1].answer), "14");
  EXPECT_EQ(text_of(set.prompts[1].wrong), "03");
  EXPECT_EQ(text_of(set.prompts[1].clean.tokens), "The war, again, from 1704 to the year 17");
  EXPECT_TRUE(set.has_pairs());
}

TEST_F(PromptFile, PairsMayBeIdsAndListSeveralAnswers) {
  const PromptSet set = read("i.json", R"({"seq_labels": ["a"], "prompts": [{"clean": [0, 5, 5],
      "corrupt": [0, 4, 3], "answers": [7, 8], "wrong_answers": [9]}]})");
  EXPECT_EQ(set.prompts[0].clean.tokens, (std::vector<int64_t>{0, 5, 5}));
  EXPECT_EQ(set.prompts[0].corrupt.tokens, (std::vector<int64_t>{0, 4, 3}));
  EXPECT_EQ(set.prompts[0].answer, std::vector<int64_t>{7});
  EXPECT_EQ(set.prompts[0].wrong, std::vector<int64_t>{9});
  EXPECT_THAT(set.notes, Contains(HasSubstr("1 entries list several answers")));
}

TEST_F(PromptFile, CounterFactComesInThreeForms) {
  const PromptSet items =
      read("n.json", R"({"items": [{"prompt": "The mother tongue of Danielle is",
      "target_true": " French", "target_new": " English"}]})");
  EXPECT_EQ(text_of(items.prompts[0].wrong), " English");
  const PromptSet tracing = read("t.jsonl", R"({"prompt": "The mother tongue of Danielle is", )"
                                            R"("subject": "Danielle", "target_true": " French", )"
                                            R"("target_false": " English"})");
  EXPECT_EQ(text_of(tracing.prompts[0].wrong), " English");
  const PromptSet first = read("f.json", R"([{"case_id": 0, "requested_rewrite": {
      "prompt": "{} of {}", "relation_id": "P1", "target_new": {"str": "English", "id": "Q1"},
      "target_true": {"str": "French", "id": "Q2"}, "subject": "The tongue"}}])");
  EXPECT_EQ(first.prompts[0].groups.at("relation"), "P1");
  EXPECT_EQ(text_of(first.prompts[0].answer), " French");
}

TEST_F(PromptFile, ASubjectStandsWhereItsTemplateHasIt) {
  const PromptSet set = read("k.json", R"([{"subject": "Rome", "attribute": "Italy",
      "template": "The Romeo of {} is in", "prompt": "The Romeo of Rome is in"}])");
  EXPECT_EQ(set.prompts[0].clean.roles.at("subject_first"), 3);  // not in " Romeo", 1
}

TEST_F(PromptFile, IndirectObjectsAreFoundByTheirNames) {
  const PromptSet set = read("ioi.json", R"([{"case_id": 0, "answer": "Mary",
      "prompt": "Then, John and Mary went home. John gave a melon to"},
      {"answer": "Rome", "prompt": "In Rome all roads lead to"}])");
  const Prompt& prompt = set.prompts[0];
  EXPECT_EQ(text_of(prompt.wrong), " John");
  EXPECT_EQ(prompt.clean.tokens[static_cast<size_t>(prompt.clean.roles.at("io_first"))],
            prompt.answer.front());
  EXPECT_LT(prompt.clean.roles.at("s1_first"), prompt.clean.roles.at("s2_first"));
  EXPECT_TRUE(set.prompts[1].wrong.empty());
}

TEST_F(PromptFile, TakesSomeOfItsPromptsAndShotsFromThem) {
  std::string text;
  for (const char* name : {"Ann", "Bob", "Cid", "Dan"}) {
    text += std::string(R"({"text": "I am )") + name +
            R"(, called", "parts": {"subject": [5, 8]},)" + R"("answer": " )" + name + "y\"}\n";
  }
  TaskOptions options;
  options.n = 2;
  options.shots = 3;
  const PromptSet set = read("s.jsonl", text, options);
  ASSERT_EQ(set.size(), 2);
  for (const Prompt& prompt : set.prompts) {
    EXPECT_EQ(std::count(prompt.clean.text.begin(), prompt.clean.text.end(), '\n'), 3);
    EXPECT_GT(prompt.clean.roles.at("subject_first"), 10);
  }
  options.variant = "abba";
  EXPECT_THAT(testing::refusal([&] { read("s.jsonl", text, options); }), HasSubstr("no variant"));
}

TEST_F(PromptFile, RelationsTakeShotsAndTemplates) {
  TaskOptions options;
  options.shots = 1;
  options.variant = "zs-0";
  const PromptSet set = read("r.json", R"({"prompt_templates": ["{} speaks"],
      "prompt_templates_zs": ["The tongue of {} is"], "samples": [
      {"subject": "Spain", "object": "Spanish"}, {"subject": "China", "object": "Chinese"}]})",
                             options);
  EXPECT_EQ(set.prompts[0].clean.text, "The tongue of China is Chinese\nThe tongue of Spain is");
  EXPECT_TRUE(set.prompts[0].corrupt.tokens.empty()) << "the only other country is the example";
}

TEST_F(PromptFile, PairsAloneAreKeptWhereTheyAreNeeded) {
  const std::string text = R"({"tokens": [5, 6], "corrupt": {"tokens": [5, 7]}})"
                           "\n"
                           R"({"tokens": [8, 9]})";
  TaskOptions options;
  EXPECT_EQ(read("s.jsonl", text, options).size(), 2);
  options.needs_pairs = true;
  const PromptSet set = read("s.jsonl", text, options);
  EXPECT_EQ(set.size(), 1);
  EXPECT_TRUE(set.has_pairs());
  EXPECT_THAT(set.notes, Contains("1 of 2 prompts have no partner and were left out"));
  EXPECT_THAT(testing::refusal([&] { read("a.jsonl", R"({"tokens": [8, 9]})", options); }),
              HasSubstr("expected prompts with a partner, found none of 1"));
}

TEST_F(PromptFile, PromptsWithoutAnswersAreStillPrompts) {
  const PromptSet set = read("p.jsonl", R"({"text": "The sky is"})");
  EXPECT_TRUE(set.prompts[0].answer.empty());
  EXPECT_THAT(testing::refusal([&] { set.answers(); }), HasSubstr("an answer"));
}

TEST_F(PromptFile, TokensOfAnotherVocabularyAreRefused) {
  EXPECT_THAT(complaint("v.jsonl", R"({"text": "The sky is", "tokens": [464, 6766, 318]})"),
              HasSubstr("another model's tokenizer"));
  const auto ids = smollm2().encode("The sky is").ids;
  EXPECT_EQ(read("w.jsonl",
                 fmt::format(R"({{"text": "The sky is", "tokens": [{}]}})", fmt::join(ids, ",")))
                .size(),
            1);
}

TEST_F(PromptFile, EveryMistakeIsNamedWithItsPlace) {
  EXPECT_THAT(complaint("e.json", "[]"), HasSubstr("expected prompts, found none"));
  EXPECT_THAT(complaint("e.jsonl", ""), HasSubstr("expected prompts, found none"));
  EXPECT_THAT(complaint("h.csv", "clean,label\n"), HasSubstr("expected prompts, found none"));
  EXPECT_THAT(complaint("q.csv", "prompt,answer\n\"a,b"), HasSubstr("closing quote"));
  EXPECT_THAT(complaint("f.csv", "prompt,answer\na,b,c\n"),
              HasSubstr("row 2: expected 2 fields, found 3"));
  EXPECT_THAT(complaint("y.csv", "clean,corrupted,label\na,b,99\n"),
              HasSubstr("year from 01 to 98"));
  EXPECT_THAT(complaint("g.jsonl", R"({"question": "2+2?", "answer": "4"})"),
              HasSubstr("line 1: expected \"text\", \"tokens\", \"clean\" or \"prompt\""));
  EXPECT_THAT(complaint("l.jsonl",
                        "\n"
                        R"({"tokens": [1, 2], "corrupt": {"tokens": [1]}})"),
              HasSubstr("line 2: expected a partner of the same length, found 2 tokens and 1"));
  EXPECT_THAT(complaint("b.json", std::string("PAR1\0\0", 6)), HasSubstr("binary file"));
  EXPECT_THAT(
      complaint("n.json", R"({"prompts": [{"clean": "a", "corrupt": "b", "answers": []}]})"),
      HasSubstr("entry 0: expected an answer"));
  EXPECT_THAT(complaint("t.json", R"([{"requested_rewrite": "x"}])"), HasSubstr("entry 0"));
  EXPECT_THAT(complaint("x.json", R"([["a", 1]])"), HasSubstr("[prompt, answer]"));
  EXPECT_THAT(complaint("o.json", "{}"), HasSubstr("expected JSONL, CSV, a relation"));
  EXPECT_THAT(complaint("m.jsonl", "{\"text\": \"a\"}\n{\"tokens\": [1]}\n"),
              HasSubstr("in every prompt or in none"));
  EXPECT_THAT(complaint("p.jsonl", R"({"text": "a", "parts": 3})"),
              HasSubstr("object for 'parts'"));
}

/// Every value of `form`, replaced by one of each kind.
std::vector<nlohmann::json> mutations(const nlohmann::json& form) {
  const auto values = nlohmann::json::parse(R"([null, 3, -1, 0.5, "x", "", [], {}, [[]], true])");
  std::vector<nlohmann::json> all;
  const nlohmann::json flat = form.flatten();
  for (const auto& [path, value] : flat.items()) {
    for (auto place = nlohmann::json::json_pointer(path); !place.empty(); place.pop_back()) {
      for (const auto& other : values) {
        all.push_back(form);
        all.back()[place] = other;
      }
    }
  }
  return all;
}

TEST_F(PromptFile, ValuesOfTheWrongKindAreRefusedInOneLine) {
  const auto forms = nlohmann::json::parse(R"([
    [{"text": "a b", "parts": {"p": [0, 1]}, "answer": " c", "wrong": " d",
      "corrupt": {"text": "a c"}, "labels": {"l": " e"}, "groups": {"g": "h"}}],
    [{"text": "a", "tokens": [81], "roles": {"r": 0}, "answer": [5], "wrong": [6],
      "corrupt": {"tokens": [4], "roles": {}}, "labels": {"l": 3}, "groups": {"g": "h"}}],
    {"prompts": [{"clean": "a", "corrupt": "b", "answers": [" c"], "wrong_answers": [" d"]}]},
    {"prompts": [{"clean": [1, 2], "corrupt": [1, 3], "answers": [4], "wrong_answers": [5]}]},
    [{"subject": "a", "attribute": "b", "template": "{} is", "prompt": "a is", "relation_id": "P"}],
    [{"requested_rewrite": {"prompt": "{} is", "subject": "a", "relation_id": "P",
      "target_true": {"str": "b"}, "target_new": {"str": "c"}}}],
    [{"prompt": "a is", "target_true": "b", "target_new": "c"}],
    [["a", "b"]],
    {"prompt_templates": ["{} a"], "prompt_templates_zs": ["{} b"],
     "samples": [{"subject": "c", "object": "d"}]}])");
  for (const auto& form : forms) {
    EXPECT_EQ(read("whole.json", form.dump()).size(), 1) << form;
    for (const auto& mutated : mutations(form)) {
      try {
        read("m.json", mutated.dump());
      } catch (const Error& error) {
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        EXPECT_NE(error.code(), ErrorCode::kInternal) << error.what();
      } catch (const std::exception& error) {
        ADD_FAILURE() << mutated << " gave " << error.what();
      }
    }
  }
}

// Every file of data/tasks that holds prompts; the folder may not be on the machine.
TEST(PublishedFiles, AreReadWholeOrRefusedInOneLine) {
  const std::filesystem::path folder = std::filesystem::path(WEIR_TEST_DATA) / "tasks";
  if (*WEIR_TEST_DATA == '\0' || !std::filesystem::exists(folder)) GTEST_SKIP() << "no such data";
  int64_t n_sets = 0;
  TaskOptions options;
  options.n = 20;
  options.shots = 2;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const std::string path = entry.path().string();
    const bool has_prompts = path.find("gsm8k") == std::string::npos &&
                             path.find("/math/") == std::string::npos &&
                             entry.path().extension() != ".md";
    if (!has_prompts) {
      EXPECT_THROW(read_prompt_set(path, smollm2(), options), Error) << path;
      continue;
    }
    const PromptSet set = read_prompt_set(path, smollm2(), options);
    n_sets += 1;
    const bool has_subjects =
        path.find("relations") != std::string::npos || path.find("known_1000") != std::string::npos;
    const bool is_scored_by_difference = path.find("relations") != std::string::npos ||
                                         path.find("ioi") != std::string::npos ||
                                         path.find("greater") != std::string::npos;
    EXPECT_GE(set.size(), 19) << path;  // presidents: 19 samples.
    EXPECT_EQ(set.has_wrong(), is_scored_by_difference) << path;
    for (const Prompt& prompt : set.prompts) {
      EXPECT_EQ(prompt.clean.roles.count("subject_last"), has_subjects ? 1U : 0U) << path;
      EXPECT_FALSE(prompt.answer.empty()) << path;
    }
  }
  EXPECT_GE(n_sets, 45);
}

}  // namespace
}  // namespace weir
