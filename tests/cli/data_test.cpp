#include <nlohmann/json.hpp>

#include "tests/cli/cli_fixture.h"

namespace weir {
namespace {

using nlohmann::json;

class CliData : public Cli {
 protected:
  std::string stories() const {
    std::string text;
    for (int i = 0; i < 40; ++i) {
      text += "Once upon a time, there was a number " + std::to_string(i * 7) + ".\n<|end|>\n";
    }
    return text;
  }
  std::string tokenize(const std::string& more = "") {
    write("a.txt", stories());
    return "data tokenize " + path("a.txt") + " --separator '<|end|>' --tokenizer " + kStories +
           " --out " + path("s.shard") + " " + more;
  }
};

TEST_F(CliData, TokenisesShowsAndSamples) {
  const auto made = run_weir(tokenize("--json"));
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_EQ(made.json()["documents"], 40);
  const auto info =
      run_weir("data info " + path("s.shard") + " --verify --json --tokenizer " + kStories);
  ASSERT_EQ(info.status, 0) << info.error;
  EXPECT_EQ(info.json()["tokens"], made.json()["tokens"]);
  EXPECT_EQ(info.json()["sha256"], made.json()["sha256"]);
  const auto sample = run_weir("data sample " + path("s.shard") + " -n 2 --tokenizer " + kStories);
  EXPECT_NE(sample.out.find("Once upon a time"), std::string::npos) << sample.out << sample.error;
  const auto rows =
      run_weir("data sample " + path("s.shard") + " -n 3 --length 32 --packing documents --json");
  ASSERT_EQ(rows.status, 0) << rows.error;
  EXPECT_EQ(rows.json().size(), 3U);
  EXPECT_EQ(rows.json()[0]["labels"][0], -100);
  EXPECT_EQ(rows.json()[0]["positions"].size(), 32U);
}

TEST_F(CliData, TrainsATokenizerThatItUses) {
  write("a.txt", stories());
  const std::string folder = path("tokenizer");
  const auto trained =
      run_weir("data train-tokenizer " + path("a.txt") + " " + path("a.txt") +
               " --separator '<|end|>' --vocab-size 300 --out " + folder + " --json");
  ASSERT_EQ(trained.status, 0) << trained.error;
  EXPECT_EQ(trained.json()["vocab_size"], 300);
  const auto made = run_weir("data tokenize " + path("a.txt") + " --tokenizer " + folder +
                             " --out " + path("s.shard") + " --json");
  ASSERT_EQ(made.status, 0) << made.error;
  EXPECT_EQ(made.json()["tokenizer_sha256"], trained.json()["tokenizer_sha256"]);
  const auto other = run_weir("data info " + path("s.shard") + " --tokenizer " + kStories);
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.error.find("expected the tokenizer that made"), std::string::npos) << other.error;
}

TEST_F(CliData, MistakesAreToldInOneLine) {
  expect_usage_error("data tokenize --tokenizer x --out " + path("s"), "expected INPUT");
  expect_usage_error("data tokenize a.txt --out " + path("s"), "--tokenizer");
  expect_usage_error(tokenize("--end nothing-like-it"), "--end");
  expect_usage_error("data sample " + path("s") + " --length 1", "--length");
  const auto complaint = [&](const std::string& arguments) {
    const auto run = run_weir(arguments);
    EXPECT_EQ(run.status, 1) << arguments;
    EXPECT_EQ(count_lines(run.error), 1) << run.error;
    return run.error;
  };
  const std::string tokenizer = " --tokenizer " + kStories + " --out " + path("s");
  EXPECT_NE(complaint("data tokenize " + path("gone.txt") + tokenizer).find("no such file"),
            std::string::npos);
  EXPECT_NE(complaint("data tokenize " + write("b.csv", "x") + tokenizer).find(".jsonl"),
            std::string::npos);
  EXPECT_NE(complaint("data tokenize " + write("b.jsonl", "{}\n{") + tokenizer).find("line 1"),
            std::string::npos);
  EXPECT_NE(complaint("data info " + write("c.shard", "WEIRTOKS")).find("weir data tokenize"),
            std::string::npos);
}

}  // namespace
}  // namespace weir
