#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"
#include "tests/cli/saved_tensors.h"

namespace weir {
namespace {

using nlohmann::json;

const std::string kGpt2 = kGolden + "/models/gpt2";
const std::string kTokens = " --tokens " + kGolden + "/models/gpt2/expected.safetensors:tokens";

TEST_F(Cli, PoliciesSaveEntropiesAndMeans) {
  const auto run = run_weir("policies " + kGpt2 + kTokens + " --norm controlled --save " +
                            path("p.safetensors") + " --json");
  ASSERT_EQ(run.status, 0) << run.error;
  const json result = json::parse(run.out)["result"];
  for (const char* name : {"entropy.layer", "delta_entropy.mlp", "cosine.attn"}) {
    const at::Tensor saved = tensor(path("p.safetensors"), name);
    ASSERT_EQ(saved.dim(), 3) << name;
    const auto means = result[name]["mean_over_tokens"].get<std::vector<double>>();
    ASSERT_EQ(static_cast<int64_t>(means.size()), saved.size(0));
    for (int64_t l = 0; l < saved.size(0); ++l) {
      EXPECT_NEAR(means[static_cast<size_t>(l)], saved[l].to(at::kDouble).mean().item<double>(),
                  1e-6);
    }
  }
  EXPECT_EQ(result["boundary"]["labels"].get<std::string>().size(), result["rms"]["low"].size());
}

TEST_F(Cli, PoliciesCountTheResponseOfATextAlone) {
  const std::string tokens = "\"tokens\": [1, 2, 3, 4, 5, 6]";
  const std::string all = write("all.jsonl", "{" + tokens + "}\n");
  const std::string part = write("part.jsonl", "{" + tokens +
                                                   ", \"roles\": {\"response_first\": 4, "
                                                   "\"response_last\": 5}}\n");
  const auto tokens_of = [&](const std::string& file) {
    const auto run = run_weir("policies " + kStories + " --data " + file + " --json");
    EXPECT_EQ(run.status, 0) << run.error;
    return json::parse(run.out)["result"]["tokens"].get<int>();
  };
  EXPECT_EQ(tokens_of(all), 6);
  EXPECT_EQ(tokens_of(part), 2);
}

// Rows of several batches stand at the end of one rectangle, NaN before them.
TEST_F(Cli, PoliciesSaveHeadsAndSeveralBatches) {
  const std::string file =
      write("two.jsonl", "{\"tokens\": [1, 2, 3, 4, 5]}\n{\"tokens\": [6, 7, 8]}\n");
  const std::string verb = "policies " + kStories + " --heads --neurons --json --data " + file;
  const auto apart = run_weir(verb + " --batch 1 --save " + path("apart.safetensors"));
  const auto together = run_weir(verb + " --batch 2 --save " + path("together.safetensors"));
  ASSERT_EQ(apart.status, 0) << apart.error;
  ASSERT_EQ(together.status, 0) << together.error;
  for (const char* name : {"entropy.layer", "entropy.head", "delta_entropy.mlp"}) {
    const at::Tensor one = tensor(path("apart.safetensors"), name);
    const at::Tensor both = tensor(path("together.safetensors"), name);
    ASSERT_EQ(one.sizes(), both.sizes());
    EXPECT_TRUE(one.select(1, 1).slice(1, 0, 2).isnan().all().item<bool>()) << name;
    EXPECT_LT(largest_difference(one.slice(2, 2), both.slice(2, 2)), 1e-4) << name;
  }
  const json a = json::parse(apart.out)["result"], b = json::parse(together.out)["result"];
  EXPECT_EQ(a["entropy.neuron"].size(), b["entropy.neuron"].size());
  EXPECT_NEAR(a["entropy.head"][0][0].get<double>(), b["entropy.head"][0][0].get<double>(), 1e-4);
}

TEST_F(Cli, AttributedPartsSumToTheLogit) {
  for (const char* by : {"layer", "head", "neuron", "source"}) {
    const auto run =
        run_weir("attribute " + kGpt2 + kTokens + " --answer 5 --wrong 7 --by " + by + " --json");
    ASSERT_EQ(run.status, 0) << run.error;
    const json result = json::parse(run.out)["result"];
    double sum = 0;
    for (const json& part : result["parts"]) sum += part["value"].get<double>();
    EXPECT_NEAR(sum, result["logit"].get<double>(), 1e-4) << by;
    EXPECT_NEAR(sum, result["sum"].get<double>(), 1e-9) << by;
  }
}

TEST_F(Cli, AttributeRefusesTokensThatAreNotThere) {
  EXPECT_EQ(run_weir("attribute " + kGpt2 + kTokens + " --answer 99999").status, 2);
  EXPECT_EQ(run_weir("attribute " + kGpt2 + " --answer 5").status, 2) << "no prompt";
  EXPECT_EQ(run_weir("attribute " + kGpt2 + kTokens).status, 2) << "no answer";
}

}  // namespace
}  // namespace weir
