// Callbacks, starts and warnings of run and generate.
#include <fstream>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "tests/lm/tiny_models.h"
#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/lm/context_length.h"
#include "weir/lm/generate.h"

namespace weir {
namespace {

using testing::golden_model;
using testing::some_tokens;

// Two orders of the same sums in float32, on logits of about 10.
constexpr double kRounding = 1e-4;

double difference(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

// The warnings of a call.
std::vector<std::string> warnings_of(const std::function<void()>& call) {
  std::vector<std::string> lines;
  log::set_sink([&](log::Level level, std::string_view message) {
    if (level == log::Level::kWarn) lines.emplace_back(message);
  });
  call();
  log::set_sink({});
  return lines;
}

TEST(RunHooks, ComeAfterInterventionsAndBeforeTheCache) {
  const LanguageModel lm = golden_model("gpt2");
  const std::string name = "blocks.0.hook_mlp_out";
  RunOptions options;
  Intervention two;
  two.where = name;
  two.value = at::full({}, 2.0);
  options.interventions = {two};
  at::Tensor seen;
  options.hooks = {{"blocks.0.hook_mlp_*ut", [&](const at::Tensor& x, const HookContext&) {
                      seen = x;
                      return x * 3;
                    }}};
  options.cache = CacheOptions{};
  const RunResult result = lm.run(left_pad({some_tokens(5, lm.config().d_vocab)}), options);
  EXPECT_TRUE((seen == 2).all().item<bool>());
  EXPECT_TRUE((result.cache[name] == 6).all().item<bool>());
}

TEST(RunHooks, LetGradientsReachATensorOfTheCaller) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const at::Tensor steer = at::zeros({lm.config().d_model}).requires_grad_(true);
  RunOptions options;
  options.hooks = {{"blocks.0.hook_resid_post",
                    [&](const at::Tensor& x, const HookContext&) { return x + steer; }}};
  const at::Tensor logits = lm.run(left_pad({some_tokens(5, lm.config().d_vocab)}), options).logits;
  logits.log_softmax(-1).select(-1, 3).sum().backward();
  EXPECT_GT(steer.grad().abs().max().item<double>(), 0);
}

TEST(RunStart, FromTheCachedStreamGivesTheSameLogits) {
  for (const char* family : {"gpt2", "gemma3_text", "gpt_neox"}) {
    const LanguageModel lm = golden_model(family);
    const auto n = some_tokens(6, lm.config().d_vocab);
    const TokenBatch batch = left_pad({n, {n[0], n[1], n[2]}});
    RunOptions all;
    all.cache = CacheOptions{};
    const RunResult whole = lm.run(batch, all);
    for (int64_t layer = 0; layer < lm.config().n_layers; ++layer) {
      const std::string block = "blocks." + std::to_string(layer);
      RunOptions options;
      options.start = Start{layer, whole.cache[block + ".hook_resid_pre"]};
      options.cache = CacheOptions{};
      int n_called = 0;
      options.hooks = {{"hook_embed", [&](const at::Tensor& x, const HookContext&) {
                          ++n_called;
                          return x;
                        }}};
      const RunResult result = lm.run(batch, options);
      EXPECT_LT(difference(result.logits, whole.logits), kRounding) << family << layer;
      EXPECT_EQ(n_called, 0);
      EXPECT_FALSE(result.cache.contains("hook_embed"));
      EXPECT_TRUE(result.cache.contains(block + ".hook_resid_post"));
      EXPECT_LT(difference(lm.token_log_probs(batch, options), lm.token_log_probs(batch)),
                kRounding);
    }
    RunOptions wrong;
    wrong.start = Start{0, at::zeros({2, 5, lm.config().d_model})};
    EXPECT_THROW(lm.run(batch, wrong), Error);
  }
}

TEST(RunInterventions, PastTheEndAreRefused) {
  const LanguageModel lm = golden_model("gpt2");
  RunOptions options;
  Intervention far;
  far.where = "blocks.0.hook_resid_post";
  far.positions = {{99}};
  far.value = at::zeros({});
  options.interventions = {far};
  EXPECT_THROW(lm.run(left_pad({some_tokens(5, lm.config().d_vocab)}), options), Error);
}

GenerateOptions greedy(int64_t max_new) {
  GenerateOptions options;
  options.sampling.greedy = true;
  options.stop_at_eos = false;
  options.max_new = max_new;
  return options;
}

TEST(GenerateHooks, ActAsTheSameIntervention) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, lm.config().d_vocab);
  Intervention push;
  push.where = "blocks.1.hook_resid_pre";
  push.op = Intervention::Op::kAdd;
  push.value = at::linspace(-4, 4, lm.config().d_model);
  GenerateOptions by_intervention = greedy(8), by_hook = greedy(8);
  by_intervention.interventions = {push};
  std::vector<int64_t> positions;
  by_hook.hooks = {{push.where, [&](const at::Tensor& x, const HookContext& context) {
                      positions.push_back(context.first_position);
                      return apply(push, x, context, 6);
                    }}};
  const auto tokens = generate(lm, {prompt}, by_hook).rows[0].tokens;
  EXPECT_EQ(tokens, generate(lm, {prompt}, by_intervention).rows[0].tokens);
  EXPECT_NE(tokens, generate(lm, {prompt}, greedy(8)).rows[0].tokens);
  EXPECT_EQ(positions, (std::vector<int64_t>{0, 6, 7, 8, 9, 10, 11, 12}));
}

TEST(GenerateInterventions, AWholeActivationActsOnThePrompt) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  const auto prompt = some_tokens(6, lm.config().d_vocab), other = some_tokens(6, 40, 3);
  RunOptions keep;
  keep.cache = CacheOptions{};
  const std::string name = "blocks.0.hook_resid_post";
  Intervention patch;
  patch.where = name;
  patch.value = lm.run(left_pad({other}), keep).cache[name];
  GenerateOptions options = greedy(6);
  options.interventions = {patch};
  const auto patched = generate(lm, {prompt}, options).rows[0].tokens;
  EXPECT_EQ(patched.size(), 6U);
  EXPECT_NE(patched, generate(lm, {prompt}, greedy(6)).rows[0].tokens);
}

TEST(GenerateInterventions, NeverReachedAreWarnedOfOnce) {
  const LanguageModel lm = golden_model("llama_gqa_tied");
  GenerateOptions options = greedy(4);
  Intervention far;
  far.where = "blocks.0.hook_resid_post";
  far.positions = {{7, 99}};
  far.value = at::zeros({});
  options.interventions = {far};
  const std::vector<int64_t> prompt = some_tokens(6, lm.config().d_vocab);
  const auto lines = warnings_of([&] { generate(lm, {prompt}, options); });
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("position 99"), std::string::npos);
  options.interventions[0].positions = {{7}};
  EXPECT_TRUE(warnings_of([&] { generate(lm, {prompt}, options); }).empty());
}

TEST(RotaryContext, OutgrownIsWarnedOfOnceACall) {
  LoadedModel model = load_model(std::string(WEIR_GOLDEN_DIR) + "/models/llama_gqa_tied");
  model.config.n_ctx = 8;
  const LanguageModel lm(std::move(model), std::nullopt);
  const auto fits = some_tokens(8, lm.config().d_vocab),
             longer = some_tokens(9, lm.config().d_vocab);
  EXPECT_TRUE(warnings_of([&] { lm.run(left_pad({fits})); }).empty());
  EXPECT_EQ(warnings_of([&] { lm.run(left_pad({longer})); }).size(), 1U);
  EXPECT_EQ(warnings_of([&] { lm.loss(left_pad({longer})); }).size(), 1U);
  EXPECT_EQ(warnings_of([&] { generate(lm, {longer}, greedy(3)); }).size(), 1U);
  EXPECT_EQ(warnings_of([&] { generate(lm, {fits}, greedy(3)); }).size(), 1U);
  EXPECT_TRUE(warnings_of([&] { generate(lm, {some_tokens(5, 40)}, greedy(3)); }).empty());
}

TEST(RotaryContext, CountsWhatScalingExtends) {
  ModelConfig config;
  config.n_ctx = 64;
  EXPECT_EQ(rotary_context(config), 0) << "no rotary positions";
  config.position = PositionKind::kRotary;
  EXPECT_EQ(rotary_context(config), 64);
  config.rotary.scaling = "dynamic";
  config.rotary.factor = 4;
  EXPECT_EQ(rotary_context(config), 256);
}

TEST(EndTokens, OfAListInTheConfigAllCount) {
  const std::filesystem::path folder = std::string(WEIR_GOLDEN_DIR) + "/eos_list";
  const LanguageModel lm = LanguageModel::load(folder / "model");
  std::ifstream file(folder / "expected.json");
  const auto expected = nlohmann::json::parse(file);
  GenerateOptions options = greedy(12);
  const auto prompt = lm.tokenizer().encode(expected["prompt"].get<std::string>()).ids;
  EXPECT_EQ(generate(lm, {prompt}, options).rows[0].tokens,
            expected["greedy_without_stop"].get<std::vector<int64_t>>());
  options.stop_at_eos = true;
  const Generation row = generate(lm, {prompt}, options).rows[0];
  EXPECT_EQ(row.tokens, expected["right_tokens_of_weir_json"].get<std::vector<int64_t>>());
  EXPECT_EQ(row.stopped_by, "eos");
}

// A generation_config.json that is there but says nothing takes nothing away; one that names ends
// adds to them.
TEST(EndTokens, AreTheUnionOfWhatTheFilesSay) {
  const std::filesystem::path source = std::string(WEIR_GOLDEN_DIR) + "/eos_list/model";
  const auto stops_after = [&](const std::string& generation_config) {
    const io::TemporaryFolder folder;
    for (const auto& entry : std::filesystem::directory_iterator(source)) {
      std::filesystem::copy(entry.path(), folder.path() / entry.path().filename());
    }
    std::ofstream(folder / "generation_config.json") << generation_config;
    const LanguageModel lm = LanguageModel::load(folder.path());
    GenerateOptions options = greedy(12);
    options.stop_at_eos = true;
    return generate(lm, {lm.tokenizer().encode("hello").ids}, options).rows[0].tokens.size();
  };
  for (const char* silent :
       {"{}", R"({"eos_token_id": null})", R"({"temperature": 0.5})", R"({"eos_token_id": []})"}) {
    EXPECT_EQ(stops_after(silent), 3U) << silent;
  }
  EXPECT_EQ(stops_after(R"({"eos_token_id": 24})"), 1U);
  EXPECT_EQ(stops_after(R"({"eos_token_id": [29, 24]})"), 1U);
}

}  // namespace
}  // namespace weir
