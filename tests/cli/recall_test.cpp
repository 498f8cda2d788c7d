#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "weir/io/json.h"
#include "weir/model/convert.h"
#include "weir/model/initial_weights.h"
#include "weir/text/tokenizer.h"

namespace weir {
namespace {

using nlohmann::json;

const char* const kRelation =
    R"({"name": "pets", "prompt_templates": ["The {} likes the"], "samples": [
        {"subject": "cat", "object": "mat"}, {"subject": "dog", "object": "log"},
        {"subject": "rat", "object": "hat"}, {"subject": "bat", "object": "night"},
        {"subject": "cow", "object": "grass"}, {"subject": "owl", "object": "wood"}]})";

class RecallVerb : public Cli, public ::testing::WithParamInterface<const char*> {
 protected:
  // A folder with random weights (made by threads, which a fork would lack: hence exec_weir) of the
  // family's golden shape and a tokenizer that they fit.
  std::string random_model(const std::string& family) const {
    BpeTrainOptions options;
    options.vocab_size = 300;
    options.min_frequency = 1;
    const Tokenizer tokenizer = train_bpe({kRelation, "the text that nobody has to like"}, options);
    json config = io::read_json(kGolden + "/models/" + family + "/config.json");
    config["vocab_size"] = tokenizer.vocab_size();
    const std::string folder = path(family);
    save_hf(initial_weights(config, 3), folder);
    tokenizer.save(folder);
    return folder;
  }
};

TEST_P(RecallVerb, GoesThroughEveryStep) {
  const std::string relation = write("pets.json", kRelation);
  const std::string neutral =
      write("neutral.txt",
            "The text that nobody has to like: the cat, the dog and the rat sat on "
            "the mat, and the owl looked at all of them from the wood.");
  const auto run = exec_weir("recall " + random_model(GetParam()) + " --relation " + relation +
                             " --shots 0,1 --controls 3 --neutral " + neutral + " --json --html " +
                             path("recall.html"));
  ASSERT_EQ(run.status, 0) << run.error;
  const json relations = json::parse(run.out)["result"]["relations"];
  ASSERT_EQ(relations.size(), 2U);
  EXPECT_EQ(relations[0]["relation"], "pets");
  EXPECT_EQ(relations[1]["shots"], 1);
  for (const json& found : relations) {
    EXPECT_FALSE(found["known"].get<bool>());
    EXPECT_EQ(found["prompts"], 6);
    const auto head = found["movers"][0]["name"].get<std::string>();
    EXPECT_NE(head.find('.'), std::string::npos) << head;
    for (const json& claim : found["claims"]) {
      const auto verdict = claim["verdict"].get<std::string>();
      EXPECT_TRUE(verdict == "supported" || verdict == "not supported on this model") << verdict;
      EXPECT_FALSE(claim["check"].get<std::string>().empty());
    }
    EXPECT_EQ(found["last_block"]["mitigations"].size(), 28U);
  }
  const std::string page = file_text(path("recall.html"));
  EXPECT_NE(page.find("does not know this relation"), std::string::npos);
  EXPECT_NE(page.find("pets, 1-shot"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Families, RecallVerb, ::testing::Values("gpt2", "opt", "llama_gqa_tied"),
                         [](const auto& i) { return std::string(i.param); });

TEST_F(Cli, RecallSaysWhatItNeeds) {
  expect_usage_error("recall " + kStories, "--relation");
  const auto run = run_weir("recall " + kStories + " --relation country_capitol_city");
  EXPECT_EQ(run.status, 1);
  EXPECT_EQ(count_lines(run.error), 1) << run.error;
  expect_usage_error("recall " + kStories + " --relation country_language --shots few", "--shots");
  const std::string short_text = write("short.txt", "Too short.");
  expect_usage_error("recall " + kStories + " --relation country_language --neutral " + short_text,
                     "32 tokens");
}

}  // namespace
}  // namespace weir
