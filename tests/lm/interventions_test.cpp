#include <algorithm>

#include <gtest/gtest.h>

#include "tests/lm/tiny_models.h"
#include "weir/base/error.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::logits_after;
using testing::some_tokens;

Intervention add_vector(const LanguageModel& lm, double size) {
  Intervention push;
  push.where = "blocks.1.hook_resid_pre";
  push.op = Intervention::Op::kAdd;
  push.value = at::linspace(-size, size, lm.config().d_model);
  return push;
}

GenerateOptions greedy_with(const std::vector<Intervention>& interventions) {
  GenerateOptions options;
  options.sampling.greedy = true;
  options.stop_at_eos = false;
  options.max_new = 12;
  options.interventions = interventions;
  return options;
}

// Greedy tokens by a full forward with the same interventions for every token. Negative positions
// are resolved against the prompt, as generation does.
std::vector<int64_t> recomputed(const LanguageModel& lm, std::vector<int64_t> sequence,
                                std::vector<Intervention> interventions) {
  for (Intervention& intervention : interventions) {
    if (!intervention.positions) continue;
    for (int64_t& position : *intervention.positions) {
      if (position < 0) position += static_cast<int64_t>(sequence.size());
    }
  }
  std::vector<int64_t> tokens;
  for (int i = 0; i < 12; ++i) {
    // A run refuses positions that it does not have; generation waits for them.
    std::vector<Intervention> reached;
    for (const Intervention& one : interventions) {
      const bool waits =
          one.positions && *std::max_element(one.positions->begin(), one.positions->end()) >=
                               static_cast<int64_t>(sequence.size());
      if (!waits) reached.push_back(one);
    }
    tokens.push_back(logits_after(lm, sequence, reached).argmax().item<int64_t>());
    sequence.push_back(tokens.back());
  }
  return tokens;
}

class InterventionsWhileGenerating : public ::testing::TestWithParam<const char*> {};

TEST_P(InterventionsWhileGenerating, EqualFullRecomputation) {
  const LanguageModel lm = golden_model(GetParam());
  const auto prompt = some_tokens(8, lm.config().d_vocab);
  const auto plain = generate(lm, {prompt}, greedy_with({})).rows[0].tokens;
  std::vector<std::vector<Intervention>> cases;
  cases.push_back({add_vector(lm, 4)});  // Everywhere, new tokens too.
  cases.push_back({add_vector(lm, 8)});
  cases.back()[0].positions = std::vector<int64_t>{-1, 2};  // The prompt's end and its third token.
  cases.push_back({add_vector(lm, 8)});
  cases.back()[0].positions = std::vector<int64_t>{10};  // Not yet there when the prompt runs.
  Intervention ablate;
  ablate.where = "blocks.0.attn.hook_z";
  ablate.heads = std::vector<int64_t>{1};
  ablate.value = at::zeros({});
  cases.push_back({ablate});
  for (size_t i = 0; i < cases.size(); ++i) {
    const auto tokens = generate(lm, {prompt}, greedy_with(cases[i])).rows[0].tokens;
    EXPECT_EQ(tokens, recomputed(lm, prompt, cases[i])) << "case " << i;
    if (i < 2) {
      EXPECT_NE(tokens, plain) << "case " << i << " should change something";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, InterventionsWhileGenerating,
                         ::testing::Values("llama_gqa_tied", "gpt2", "gemma3_text",
                                           "llama_rope_dynamic"),
                         [](const auto& family) { return std::string(family.param); });

TEST(Interventions, MinusOneIsTheLastTokenOfEveryPaddedPrompt) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const int64_t n_vocab = lm.config().d_vocab;
  Intervention push = add_vector(lm, 8);
  push.positions = std::vector<int64_t>{-1};
  const std::vector<std::vector<int64_t>> prompts = {some_tokens(8, n_vocab, 1),
                                                     some_tokens(5, n_vocab, 2)};
  const GenerateResult result = generate(lm, prompts, greedy_with({push}));
  for (size_t b = 0; b < 2; ++b) {
    EXPECT_EQ(result.rows[b].tokens, recomputed(lm, prompts[b], {push})) << b;
  }
}

TEST(Interventions, PositionsCountInThePaddedRectangle) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto longer = some_tokens(8, lm.config().d_vocab, 1);
  const auto shorter = some_tokens(5, lm.config().d_vocab, 2);
  Intervention push = add_vector(lm, 8);
  push.positions = std::vector<int64_t>{4};
  RunOptions options;
  options.interventions = {push};
  const at::Tensor both = lm.run(left_pad({longer, shorter}), options).logits.select(1, 7);
  EXPECT_LT((both[0] - logits_after(lm, longer, {push})).abs().max().item<double>(), 1e-4);
  push.positions = std::vector<int64_t>{1};  // Three pads stand before the shorter one.
  EXPECT_LT((both[1] - logits_after(lm, shorter, {push})).abs().max().item<double>(), 1e-4);
}

TEST(Interventions, RowsAreThoseOfTheResult) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto first = some_tokens(6, lm.config().d_vocab, 1);
  const auto second = some_tokens(6, lm.config().d_vocab, 2);
  Intervention push = add_vector(lm, 6);
  push.rows = std::vector<int64_t>{1, 2};
  GenerateOptions options = greedy_with({push});
  options.n_samples = 2;  // Rows 0 and 1 continue the first prompt, 2 and 3 the second.
  // Row 0 ends early; the others keep their numbers.
  options.on_token = [](int64_t row, int64_t, const std::string&) { return row != 0; };
  const GenerateResult result = generate(lm, {first, second}, options);
  push.rows.reset();
  EXPECT_EQ(result.rows[0].tokens.size(), 1u);
  EXPECT_EQ(result.rows[1].tokens, recomputed(lm, first, {push}));
  EXPECT_EQ(result.rows[2].tokens, recomputed(lm, second, {push}));
  EXPECT_EQ(result.rows[3].tokens, recomputed(lm, second, {}));
}

TEST(Interventions, AnUnknownPlaceIsNamed) {
  const LanguageModel lm = golden_model("gpt2");
  Intervention push = add_vector(lm, 1);
  push.where = "blocks.1.hook_resid_pr";
  try {
    generate(lm, {{5, 6}}, greedy_with({push}));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("hook_resid_pre"), std::string::npos);
  }
}

TEST(Overlay, WeightsOfOneCallReplaceTheModels) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  Weights edited = lm.transformer().weights();
  edited.blocks[0].mlp.W_out = Matrix(edited.blocks[0].mlp.W_out.dense() * -1);
  GenerateOptions options = greedy_with({});
  const auto plain = generate(lm, {prompt}, options).rows[0].tokens;
  options.weights = &edited;
  const auto changed = generate(lm, {prompt}, options).rows[0].tokens;
  EXPECT_NE(changed, plain);
  EXPECT_EQ(changed[0], logits_after(lm, prompt, {}, &edited).argmax().item<int64_t>());
  options.weights = nullptr;
  EXPECT_EQ(generate(lm, {prompt}, options).rows[0].tokens, plain);
}

}  // namespace
}  // namespace weir
