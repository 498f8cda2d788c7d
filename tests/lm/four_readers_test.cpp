// A loaded model holds no state of a run: four threads that read one give what one thread gives.
// Under the preset tsan this is the test of what the threads share.
#include <future>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

struct Reading {
  at::Tensor logits, pattern, ablated, log_probs;
  std::vector<int64_t> generated;
};

/// What a reader may do at once with others: run, run with a cache, edit, score, generate.
Reading read(const LanguageModel& lm, int64_t seed) {
  std::vector<int64_t> ids;
  for (int64_t i = 0; i < 7; ++i) ids.push_back(4 + (seed * 11 + i * 5) % 90);
  const TokenBatch batch = left_pad({ids});
  RunOptions cached;
  cached.cache.emplace().names = {"blocks.1.attn.hook_pattern"};
  Intervention ablation;
  ablation.where = "blocks.0.attn.hook_z";
  ablation.value = at::zeros({});
  RunOptions edited;
  edited.interventions = {ablation};
  GenerateOptions options;
  options.max_new = 6;
  options.stop_at_eos = false;
  options.sampling.seed = static_cast<uint64_t>(seed);

  Reading reading;
  const RunResult plain = lm.run(batch, cached);
  reading.logits = plain.logits;
  reading.pattern = plain.cache["blocks.1.attn.hook_pattern"];
  reading.ablated = lm.run(batch, edited).logits;
  reading.log_probs = lm.token_log_probs(batch);
  reading.generated = generate(lm, {ids}, options).rows[0].tokens;
  return reading;
}

TEST(FourReaders, SeeWhatOneReaderSees) {
  const LanguageModel lm = testing::golden_model("llama_gqa_tied");
  std::vector<std::future<Reading>> readers;
  for (int64_t seed = 0; seed < 4; ++seed) {
    readers.push_back(std::async(std::launch::async, [&lm, seed] { return read(lm, seed); }));
  }
  for (int64_t seed = 0; seed < 4; ++seed) {
    const Reading at_once = readers[seed].get(), alone = read(lm, seed);
    EXPECT_TRUE(at_once.logits.equal(alone.logits)) << seed;
    EXPECT_TRUE(at_once.pattern.equal(alone.pattern)) << seed;
    EXPECT_TRUE(at_once.ablated.equal(alone.ablated)) << seed;
    EXPECT_FALSE(alone.ablated.equal(alone.logits)) << seed;
    EXPECT_TRUE(at_once.log_probs.equal(alone.log_probs)) << seed;
    EXPECT_EQ(at_once.generated, alone.generated) << seed;
  }
}

}  // namespace
}  // namespace weir
