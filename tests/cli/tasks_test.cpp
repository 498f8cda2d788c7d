#include <algorithm>

#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

TEST_F(Cli, TasksAreListedMadeAndScored) {
  const json listed = json::parse(run_weir("tasks list --json").out);
  EXPECT_EQ(listed[0]["name"], "capitals");
  const std::string set = path("set.jsonl");
  const auto made = run_weir("tasks make repeated-tokens -n 6 --seed 1 --variant 10 --model " +
                             kStories + " --save " + set + " --json");
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_EQ(json::parse(made.out)["n"], 6);
  const auto scored = run_weir("tasks score " + kStories + " " + set + " --whole --json");
  ASSERT_EQ(scored.status, 0) << scored.error;
  const json result = json::parse(scored.out)["result"];
  EXPECT_EQ(result["n"], 6);
  EXPECT_EQ(result["log_prob"].size(), 6U);
  // Answers of one token: the whole answer is its first token.
  for (size_t n = 0; n < 6; ++n) {
    EXPECT_NEAR(result["log_prob"][n].get<double>(), result["whole_log_prob"][n].get<double>(),
                1e-4);
  }
  EXPECT_LE(result["summary"][0]["low"].get<double>(), result["summary"][0]["mean"].get<double>());
}

TEST_F(Cli, TasksThatDoNotExistAreNamed) {
  const auto run = run_weir("tasks score " + kStories + " iol");
  EXPECT_EQ(run.status, 1);
  EXPECT_NE(run.error.find("did you mean ioi"), std::string::npos) << run.error;
  EXPECT_EQ(run_weir("tasks make ioi --model " + kStories).status, 2) << "no --save";
  EXPECT_EQ(run_weir("tasks make ioi -n 0 --model x --save " + path("a.jsonl")).status, 2);
}

TEST_F(Cli, TheWholeAnswerIsTheSumOfItsTokens) {
  write("set.jsonl",
        R"({"text": "Once upon a time", "answer": ", there was a girl", "groups": {}})");
  const auto scored =
      run_weir("tasks score " + kStories + " " + path("set.jsonl") + " --whole --json");
  ASSERT_EQ(scored.status, 0) << scored.error;
  const json scores = json::parse(scored.out)["result"];
  write("text.txt", "Once upon a time, there was a girl");
  const auto read = run_weir("lens " + kStories + " --text-file " + path("text.txt") + " --json");
  const json lens = json::parse(read.out)["result"];
  write("prompt.txt", "Once upon a time");
  const auto prompt =
      run_weir("lens " + kStories + " --text-file " + path("prompt.txt") + " --json");
  const size_t n_prompt = json::parse(prompt.out)["result"]["tokens"].size();
  double sum = 0;
  for (size_t t = n_prompt - 1; t < lens["output_log_prob"].size(); ++t) {
    sum += lens["output_log_prob"][t].get<double>();
  }
  EXPECT_NEAR(scores["whole_log_prob"][0].get<double>(), sum, 1e-4);
  EXPECT_NEAR(scores["log_prob"][0].get<double>(),
              lens["output_log_prob"][n_prompt - 1].get<double>(), 1e-4);
  EXPECT_LT(sum, scores["log_prob"][0].get<double>());
}

TEST_F(Cli, TasksSayWhatTheirScoresConfuse) {
  write("set.jsonl",
        "{\"text\": \"The cat\", \"answer\": \" sat down\"}\n"
        "{\"text\": \"The dog\", \"answer\": \" sat up\"}\n");
  const std::string set = path("set.jsonl");
  const auto scored = run_weir("tasks score " + kStories + " " + set);
  EXPECT_NE(scored.out.find("answers that share their first token"), std::string::npos)
      << scored.out;
  const auto one = run_weir("tasks score " + kStories + " " + set + " -n 1 --shots 0 --json");
  EXPECT_EQ(json::parse(one.out)["result"]["n"], 1);
  const auto by_group = run_weir("tasks score " + kStories + " repeated-tokens -n 4 --group x");
  EXPECT_NE(by_group.error.find("found none"), std::string::npos) << by_group.error;
  const auto group = run_weir("tasks score " + kStories + " " + set + " --group colour");
  EXPECT_EQ(group.status, 1);
  EXPECT_NE(group.error.find("expected a group 'colour'"), std::string::npos) << group.error;
}

TEST_F(Cli, IdsAreScoredWithoutATokenizer) {
  const std::string model = kGolden + "/models/gpt2";
  write("ids.jsonl", R"({"tokens": [1, 2, 3], "answer": [5], "wrong": [6]})");
  const auto scored = run_weir("tasks score " + model + " " + path("ids.jsonl"));
  EXPECT_EQ(scored.status, 0) << scored.error;
  EXPECT_NE(scored.out.find("#1#2#3"), std::string::npos) << scored.out;
  write("text.jsonl", R"({"text": "a", "answer": "b"})");
  const auto text = run_weir("tasks score " + model + " " + path("text.jsonl"));
  EXPECT_EQ(text.status, 1);
  EXPECT_NE(text.error.find("came without a tokenizer; found text"), std::string::npos)
      << text.error;
}

TEST_F(Cli, IntervalsDrawSubjectsWhole) {
  std::string text;
  for (const char* subject : {"cat", "cat", "cat", "dog"}) {
    text += std::string("{\"text\": \"The ") + subject +
            "\", \"answer\": \" sat\", \"groups\": " + "{\"subject\": \"" + subject + "\"}}\n";
  }
  write("set.jsonl", text);
  const auto scored = run_weir("tasks score " + kStories + " " + path("set.jsonl"));
  EXPECT_NE(scored.out.find("over 2 subjects"), std::string::npos) << scored.out;
}

TEST_F(Cli, TaskMistakesAreToldInOneLine) {
  write("ids.jsonl", R"({"tokens": [1, 9], "answer": [99999]})");
  write("none.jsonl", "");
  const auto complaint = [&](const std::string& arguments, int status) {
    const auto run = run_weir(arguments);
    EXPECT_EQ(run.status, status) << arguments << run.error;
    EXPECT_EQ(std::count(run.error.begin(), run.error.end(), '\n'), 1) << run.error;
    return run.error;
  };
  const std::string score = "tasks score " + kStories + " ";
  EXPECT_NE(complaint(score + path("ids.jsonl"), 1).find("got 99999 in prompt 0"),
            std::string::npos);
  EXPECT_NE(complaint(score + path("none.jsonl"), 1).find("expected prompts"), std::string::npos);
  EXPECT_NE(complaint(score + path("gone.jsonl"), 1).find("is no file and no task"),
            std::string::npos);
  const std::string patch = "patch " + kStories + " --kind resid_pre ";
  complaint(patch + "--task ioi --wrong x", 2);
  complaint(patch + "--prompt a --answer b --shots 2", 2);
  EXPECT_NE(complaint(patch + "--prompt a --answer b", 1).find("partner of the same length"),
            std::string::npos);
}

}  // namespace
}  // namespace weir
