#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

class CliSaeHarvest : public Cli {
 protected:
  std::string corpus() const {
    std::string text;
    for (int i = 0; i < 60; ++i) {
      text += "Once upon a time, there was a little girl who had " + std::to_string(i * 7) +
              " red balls.<|endoftext|>\n";
    }
    return write("a.txt", text);
  }
  std::string harvest(const std::string& more) const {
    return "sae harvest " + kStories + " --names blocks.2.hook_resid_post,blocks.0.attn.hook_z" +
           " --corpus " + corpus() + " --length 32 --out " + path("acts") + " --json " + more;
  }
};

TEST_F(CliSaeHarvest, PlansKeepsAndReturnsWhatIsThere) {
  const auto plan = run_weir(harvest("--plan"));
  ASSERT_EQ(plan.status, 0) << plan.error;
  EXPECT_GT(plan.json()["result"]["contexts"], 1);
  const auto made = run_weir(harvest("--tokens 640"));
  ASSERT_EQ(made.status, 0) << made.error;
  const json result = made.json()["result"];
  EXPECT_EQ(result["sites"].size(), 2U);
  // The context at the corpus' end may be among the twenty, with padding.
  const json& dropped = result["dropped"];
  EXPECT_LE(dropped["tokens"], 640);
  EXPECT_GT(dropped["tokens"], 600);
  EXPECT_EQ(dropped["first_positions"], 20);
  EXPECT_EQ(dropped["kept"].get<int64_t>(),
            dropped["tokens"].get<int64_t>() - 20 - dropped["by_norm"].get<int64_t>());
  EXPECT_EQ(dropped["kept"], result["sites"][0]["rows"]);
  const auto again = run_weir(harvest("--tokens 640"));
  ASSERT_EQ(again.status, 0) << again.error;
  EXPECT_EQ(again.json()["result"]["sites"], result["sites"]);
  const auto other = run_weir(harvest("--tokens 320"));
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.error.find("holds another harvest"), std::string::npos) << other.error;
}

}  // namespace
}  // namespace weir
