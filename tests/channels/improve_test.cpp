// Moves, factors and searches on the golden models: properties that must hold, no reference.
#include "weir/channels/improve.h"

#include <algorithm>

#include "tests/channels/golden_channels.h"
#include "weir/base/error.h"
#include "weir/channels/open_text.h"
#include "weir/lm/token_batch.h"

namespace weir {
namespace {

LanguageModel model_named(const std::string& name) {
  return LanguageModel::load(golden_topic("models") / name, {at::kDouble});
}

/// Random prompts that ask for a token which the model finds second best, of two places.
PromptSet prompts_for(const LanguageModel& lm, int64_t n, uint64_t seed) {
  at::manual_seed(seed);
  const at::Tensor tokens = at::randint(1, 60, {n, 9}, at::kLong);
  RunOptions last;
  last.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run({tokens, {}}, last).logits.select(1, 0);
  const at::Tensor second = std::get<1>(logits.topk(2)).select(1, 1);
  PromptSet set{"second", seed, {}};
  for (int64_t i = 0; i < n; ++i) {
    Prompt prompt;
    for (int64_t t = 0; t < 9; ++t) prompt.clean.tokens.push_back(tokens[i][t].item<int64_t>());
    prompt.clean.roles = {{"end", 8}, {"target_first", i % 2 == 0 ? 1 : 3}};
    prompt.clean.roles[i % 2 == 0 ? "item1_first" : "item0_first"] = i % 2 == 0 ? 3 : 1;
    prompt.answer = {second[i].item<int64_t>()};
    prompt.groups["place"] = std::to_string(i % 2);
    set.prompts.push_back(std::move(prompt));
  }
  return set;
}

double mean_log_prob(const LanguageModel& lm, const PromptSet& set, const Change& change) {
  RunOptions run;
  change.apply_to(&run);
  run.logits = LogitsAt::kLast;
  const at::Tensor logits = lm.run(left_pad(set.clean_rows()), run).logits.select(1, 0);
  return at::log_softmax(logits, -1).gather(1, set.answers().unsqueeze(1)).mean().item<double>();
}

class ChannelSearch : public ::testing::TestWithParam<const char*> {
 protected:
  ChannelSearch() : lm(model_named(GetParam())), set(prompts_for(lm, 24, 3)) {}
  const Weights& weights() const { return lm.transformer().weights(); }
  Weights scaled(const std::vector<ComponentScale>& scales) const {
    return scale_components(weights(), lm.config(), scales, circuits);
  }

  LanguageModel lm;
  PromptSet set;
  CircuitOptions circuits{true, at::kDouble};
};

TEST_P(ChannelSearch, GainsAreTheSlopesOfFactors) {
  // Central differences of float64 runs; gains themselves are float32 products.
  const double step = 1e-4;
  const ComponentScale other{{{1, 0}, 1}, 0.5};
  for (const double at : {1.0, 0.5}) {
    const ComponentId id{{1, 1}, 0};
    const Weights edited = scaled({other, {id, at}});
    const ComponentGains gains = GainRows(lm, set, 0, circuits).gains({&edited, {}}, false);
    EXPECT_NEAR(gains.log_prob, mean_log_prob(lm, set, {&edited, {}}), 1e-6);
    const auto log_prob = [&](double factor) {
      const Weights with = scaled({other, {id, factor}});
      return mean_log_prob(lm, set, {&with, {}});
    };
    const double slope = (log_prob(at + step) - log_prob(at - step)) / (2 * step);
    const double largest = gains.gain.abs().max().item<double>();
    EXPECT_NEAR(gains.gain[1][1][0].item<double>() / at, slope, 1e-4 * largest) << at;
  }
}

TEST_P(ChannelSearch, GainsAreTheSlopesOfSteering) {
  const double step = 1e-4;
  const ComponentId id{{1, 1}, 0};
  const auto steered = [&](double factor) {
    return Change{nullptr,
                  steer_components(weights(), lm.config(),
                                   {{{{1, 0}, 1}, 0.5}, {{{1, 1}, 2}, 3}, {id, factor}}, circuits)};
  };
  const GainRows rows(lm, set, 0, circuits);
  for (const double at : {1.0, 0.5}) {
    const auto log_prob = [&](double factor) { return mean_log_prob(lm, set, steered(factor)); };
    const at::Tensor gain = rows.gains(steered(at), true).gain;
    const double slope = (log_prob(at + step) - log_prob(at - step)) / (2 * step);
    EXPECT_NEAR(gain[1][1][0].item<double>() / at, slope, 1e-4 * gain.abs().max().item<double>())
        << at;
  }
}

TEST_P(ChannelSearch, SteeringByOneChangesNothing) {
  const Change change{nullptr, steer_components(weights(), lm.config(), {{{{1, 0}, 1}, 1}})};
  RunOptions run;
  change.apply_to(&run);
  const at::Tensor rows = left_pad(set.clean_rows()).tokens;
  EXPECT_LT((lm.run({rows, {}}, run).logits - lm.run({rows, {}}).logits).abs().max().item<double>(),
            1e-12);
}

TEST_P(ChannelSearch, ASearchSteersTheModel) {
  EditSearchOptions options;
  options.circuits = circuits;
  options.first_layer = 0;
  options.n_components = 8;
  options.n_prompts = 24;
  options.last_only = true;
  const ImprovedWeights improved = improve_weights(lm, set, set, options, 0, 0);
  EXPECT_GT(improved.edited.mean, 0.2);
  EXPECT_EQ(improved.edited.mean, improved.search.accuracy) << "searched on the same prompts";
  EXPECT_EQ(improved.search.loss_increase, 0);
}

TEST_P(ChannelSearch, FactorsTogetherAreEditsOneByOne) {
  const std::vector<ComponentScale> scales = {
      {{{0, 1}, 2}, 0}, {{{1, 0}, 1}, 2.5}, {{{0, 1}, 0}, 0}};
  ComponentEdit first{{0, 1}, EditedCircuit::kOv, {0, 2}, 0},
      second{{1, 0}, EditedCircuit::kOv, {1}, 2.5};
  const Weights one = edit_components(weights(), lm.config(), first, circuits);
  const Weights both = edit_components(one, lm.config(), second, circuits);
  const at::Tensor rows = left_pad(set.clean_rows()).tokens;
  const auto logits = [&](const Weights& with) {
    RunOptions run;
    run.weights = &with;
    return lm.run({rows, {}}, run).logits;
  };
  EXPECT_LT((logits(scaled(scales)) - logits(both)).abs().max().item<double>(), 1e-9);
  EXPECT_LT((logits(scaled({{{{1, 1}, 0}, 1}})) - logits(weights())).abs().max().item<double>(),
            1e-9);
  EXPECT_THROW(scaled({{{{0, 0}, 0}, 1}, {{{0, 0}, 0}, 2}}), Error);
}

TEST_P(ChannelSearch, ASearchMakesTheModelBetterWithinItsBound) {
  EditSearchOptions options;
  options.circuits = circuits;
  options.first_layer = 0;
  options.n_components = 8;
  options.n_steps = 12;
  options.n_prompts = 24;
  options.most_loss_increase = 0.05;
  int64_t steps = 0;
  options.seen = [&](int64_t, double, double loss) {
    ++steps;
    EXPECT_LE(loss, options.most_loss_increase);
  };
  const at::Tensor text = at::arange(40, at::kLong).view({1, 40});
  options.loss = [&](const Weights* with) {
    RunOptions run;
    run.weights = with;
    return -lm.token_log_probs({text, {}}, run).mean().item<double>();
  };
  const ImprovedWeights improved = improve_weights(lm, set, set, options, 1, 0);
  EXPECT_EQ(steps, 2 * options.n_steps);
  EXPECT_EQ(improved.baseline.mean, 0) << "the answers are second best";
  EXPECT_GT(improved.edited.mean, 0.2);
  EXPECT_EQ(improved.edited.mean, improved.search.accuracy) << "searched on the same prompts";
  ASSERT_EQ(improved.control_gains.size(), 1U);
}

TEST_P(ChannelSearch, SweptMovesAreWhatInterventionsDo) {
  const Subspace subspace =
      subspace_of(weights(), lm.config(), {{{0, 0}, 0}, {{0, 1}, 1}}, circuits);
  SubspaceMoves moves = draw_moves(2, 6, 5, 7);
  moves.scale = at::tensor({1.0, 0.0, 2.0, 1.0, -1.0});
  EXPECT_EQ(moves.alpha[0].abs().max().item<double>(), 0);
  const Experiments prompts(lm, left_pad(set.clean_rows()), {});
  for (const int64_t head : {-1, 1}) {
    const SubspacePlace place{1, head, {-1}};
    const at::Tensor right = sweep(prompts, set.answers(), subspace, moves, place);
    ASSERT_EQ(right.size(0), 5);
    for (int64_t i = 0; i < 5; ++i) {
      RunOptions run;
      run.logits = LogitsAt::kLast;
      run.interventions = subspace_edit(subspace, SubspaceOp::kScale, moves.scale[i], place);
      for (const Intervention& add :
           subspace_edit(subspace, SubspaceOp::kAdd, moves.alpha[i], place))
        run.interventions.push_back(add);
      const at::Tensor logits = lm.run(prompts.batch(), run).logits.select(1, 0);
      EXPECT_TRUE(at::equal(right[i], logits.argmax(-1) == set.answers())) << head << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ChannelSearch, ::testing::Values("gpt2", "llama_gqa_tied"));

TEST(ChosenMoves, AreTheBestAndTheFirstOfEquals) {
  const at::Tensor right =
      at::tensor({0, 0, 1, 1, 0, 0, 1, 1, 1, 0, 1, 0}, at::kInt).view({3, 4}) == 1;
  const ChosenMoves chosen = choose_moves(right, {0, 1, 0, 1});  // Rows: 0011, 0011, 1010
  EXPECT_EQ(chosen.constant, 0);
  EXPECT_EQ(chosen.by_place, (std::vector<int64_t>{2, 0}));
}

TEST(Steering, IsScoredOnPromptsItWasNotChosenOn) {
  const LanguageModel lm = model_named("gpt2");
  const PromptSet dev = prompts_for(lm, 20, 5), test = prompts_for(lm, 30, 6);
  SteerTaskOptions options;
  options.subspace = subspace_of(lm.transformer().weights(), lm.config(), {{{0, 0}, 0}});
  options.steering.place = {1, -1, {-1}};
  options.steering.moves = draw_moves(1, 10, 20, 0);
  options.steering.n_controls = 2;
  options.mover = HeadId{1, 0};
  options.radius = 10;
  const TaskSteering steering = steer_and_dial(lm, dev, test, options);
  EXPECT_EQ(steering.result.baseline.n, 30);
  EXPECT_EQ(steering.result.baseline.mean, 0);
  EXPECT_EQ(steering.result.controls.size(), 2U);
  EXPECT_NEAR(steering.result.score.dial_gain.mean, steering.result.score.dial.mean, 1e-12);
  ASSERT_TRUE(steering.dial.has_value());
  EXPECT_GT(steering.dial->agreement, 0.99) << "the closed form is exact";
  EXPECT_NEAR(steering.dial->attended[0] + steering.dial->attended[1], 1, 1e-9);
  EXPECT_FALSE(steering_blocks(steering, options).empty());
}

TEST(TokenClasses, ListsAndRepeats) {
  using C = TokenClass;
  const auto classes =
      token_classes({"She", " bought", " apples", ",", " pears", ",", " plums", " and", " apples",
                     ".", " Then", " she", " bought", " nothing", "."});
  EXPECT_EQ(classes[4], C::kRest) << "one comma makes no list";
  EXPECT_EQ(classes[6], C::kList);
  EXPECT_EQ(classes[8], C::kList) << "a list's item, though it repeats";
  EXPECT_EQ(classes[12], C::kRepeat);
  EXPECT_EQ(classes[11], C::kRest) << "short words repeat everywhere";
  EXPECT_EQ(classes[13], C::kRest);
}

TEST(OpenText, CoefficientsAreWhatTheEditTakesAway) {
  const LanguageModel lm =
      model_named("llama_gqa_tied") /* no value bias, which an edit leaves alone */;
  at::manual_seed(1);
  const at::Tensor ids = at::randint(1, 60, {30}, at::kLong);
  const std::vector<int64_t> tokens(ids.data_ptr<int64_t>(), ids.data_ptr<int64_t>() + 30);
  const ComponentId component{{1, 1}, 2};
  OpenTextOptions options;
  options.window = 10;
  options.n_contexts = 5;
  options.circuits.dtype = at::kDouble;
  const OpenText found = open_text(lm, tokens, component, options);
  ASSERT_EQ(found.highest.size(), 5U);
  EXPECT_GE(found.highest[0].coefficient, found.highest[4].coefficient);
  EXPECT_GE(found.highest[4].coefficient, found.lowest[0].coefficient);
  EXPECT_EQ(found.controls.size(), 3U);
  // |change of what attention writes| at each position is |coefficient|: v has length 1.
  const Weights edited =
      scale_components(lm.transformer().weights(), lm.config(), {{component, 0}}, options.circuits);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"blocks.1.hook_attn_out"};
  run.stop_when_cached = true;
  ASSERT_FALSE(lm.has_tokenizer()) << "windows would start with BOS";
  const TokenBatch batch{ids.view({3, 10}), {}};
  const at::Tensor before = lm.run(batch, run).cache["blocks.1.hook_attn_out"].clone();
  run.weights = &edited;
  const at::Tensor change = before - lm.run(batch, run).cache["blocks.1.hook_attn_out"];
  const at::Tensor sizes = at::tensor(found.coefficients, at::kDouble).abs().view({3, 9});
  EXPECT_LT((change.norm(2, -1).slice(1, 1) - sizes).abs().max().item<double>(), 1e-9);
}

}  // namespace
}  // namespace weir
