// What interventions select: components, cuts of whole values, and selections that are refused.
#include <limits>

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/refusal.h"
#include "weir/hooks/intervention.h"

namespace weir {
namespace {

using testing::refusal;

using nlohmann::json;
using Op = Intervention::Op;

const char* const kStream = "blocks.0.hook_resid_pre";
const char* const kZ = "blocks.0.attn.hook_z";
const char* const kPattern = "blocks.0.attn.hook_pattern";
const char* const kScores = "blocks.0.attn.hook_attn_scores";

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

Intervention change(const std::string& where, at::Tensor value, Op op = Op::kReplace) {
  Intervention intervention;
  intervention.where = where;
  intervention.op = op;
  intervention.value = std::move(value);
  return intervention;
}

// After 6 positions of a prompt.
at::Tensor applied(const Intervention& intervention, const at::Tensor& x,
                   int64_t first_position = 0) {
  return apply(intervention, x, {intervention.where, first_position}, 6);
}

void attach_to_all(const Intervention& intervention) {
  Hooks hooks({kStream, kZ, kPattern, kScores});
  attach(hooks, {intervention}, 6);
}

TEST(Components, AreTheLastAxis) {
  const at::Tensor x = at::randn({2, 6, 3, 4});
  Intervention one = change(kZ, at::full({}, 5.0));
  one.components = {{1, 3}};
  one.heads = {{2}};
  at::Tensor expected = x.clone();
  expected.select(2, 2).select(2, 1).fill_(5);
  expected.select(2, 2).select(2, 3).fill_(5);
  EXPECT_TRUE(applied(one, x).equal(expected));
  one.components = {{4}};
  EXPECT_NE(refusal([&] { applied(one, x); }), "");
  one.components = {{-1}};
  EXPECT_NE(refusal([&] { applied(one, x); }), "");
}

TEST(Components, OfAMapAreKeysAndCountAsPositionsDo) {
  const at::Tensor scores = at::randn({1, 2, 6, 6});
  Intervention knockout = change(kScores, at::full({}, kMinusInfinity));
  knockout.components = {{0, -1}};
  knockout.positions = {{4}};
  at::Tensor expected = scores.clone();
  expected.select(2, 4).select(2, 0).fill_(kMinusInfinity);
  expected.select(2, 4).select(2, 5).fill_(kMinusInfinity);
  EXPECT_TRUE(applied(knockout, scores).equal(expected));
  // A step of decoding: one query, eight keys; -1 is still the prompt's last.
  knockout.positions.reset();
  const at::Tensor step = at::randn({1, 2, 1, 8});
  expected = step.clone();
  expected.select(3, 0).fill_(kMinusInfinity);
  expected.select(3, 5).fill_(kMinusInfinity);
  EXPECT_TRUE(applied(knockout, step, 7).equal(expected));
}

TEST(WholeValue, IsCutByTheSameSelection) {
  const at::Tensor x = at::randn({2, 6, 3, 4}), other = at::randn({2, 6, 3, 4});
  Intervention patch = change(kZ, other);
  patch.rows = {{1}};
  patch.positions = {{-2, 0}};
  patch.heads = {{1}};
  patch.components = {{2, 3}};
  at::Tensor expected = x.clone();
  for (const int64_t position : {4, 0}) {
    for (const int64_t component : {2, 3}) {
      expected[1][position][1][component] = other[1][position][1][component];
    }
  }
  EXPECT_TRUE(applied(patch, x).equal(expected));
  // One saved row serves every row.
  Intervention one_row = change(kZ, other.slice(0, 0, 1));
  one_row.heads = {{1}};
  expected = x.clone();
  expected.select(2, 1).copy_(other[0].select(1, 1).unsqueeze(0).expand({2, 6, 4}));
  EXPECT_TRUE(applied(one_row, x).equal(expected));
}

TEST(WholeValue, OfAPatternIsCutByQueriesAndKeys) {
  const at::Tensor x = at::rand({1, 2, 6, 6}), other = at::rand({1, 2, 6, 6});
  Intervention patch = change(kPattern, other);
  patch.positions = {{3}};
  patch.components = {{1, 2}};
  at::Tensor expected = x.clone();
  expected.select(2, 3).slice(2, 1, 3).copy_(other.select(2, 3).slice(2, 1, 3));
  EXPECT_TRUE(applied(patch, x).equal(expected));
}

TEST(WholeValue, FromAFileIsCutAlsoWhereItWouldFit) {
  const at::Tensor x = at::randn({1, 6, 4}), other = at::randn({1, 6, 4});
  Intervention patch = change(kStream, other);
  patch.positions = {{5, 4, 3, 2, 1, 0}};
  EXPECT_TRUE(applied(patch, x).equal(other.flip({1}))) << "a value for each listed position";
  patch.value_file = Intervention::File{"clean.st", kStream};
  EXPECT_TRUE(applied(patch, x).equal(other)) << "the file's own positions";
}

TEST(WholeValue, LeavesPositionsAfterThePromptAlone) {
  const at::Tensor step = at::randn({1, 1, 3, 4});
  Intervention patch = change(kZ, at::randn({1, 6, 3, 4}));
  patch.heads = {{1}};
  EXPECT_TRUE(applied(patch, step, 6).is_same(step));
  const at::Tensor longer = at::randn({1, 8, 3, 4});
  at::Tensor expected = longer.clone();
  expected.slice(1, 0, 6).select(2, 1).copy_(patch.value.select(2, 1));
  EXPECT_TRUE(applied(patch, longer).equal(expected)) << "a sequence that is run anew";
  patch.positions = {{7}};
  EXPECT_NE(refusal([&] { applied(patch, longer); }).find("6 positions"), std::string::npos);
}

TEST(Selections, ThatSelectNothingOrOnePlaceTwiceAreRefused) {
  const auto with = [](const std::function<void(Intervention&)>& set) {
    Intervention intervention = change("*", at::ones({}), Op::kAdd);
    set(intervention);
    return intervention;
  };
  for (const Intervention& bad :
       {with([](Intervention& i) { i.positions = std::vector<int64_t>{}; }),
        with([](Intervention& i) { i.heads = std::vector<int64_t>{}; }),
        with([](Intervention& i) { i.rows = std::vector<int64_t>{}; }),
        with([](Intervention& i) { i.components = std::vector<int64_t>{}; }),
        with([](Intervention& i) {
          i.positions = {{0, 0}};
        }),
        with([](Intervention& i) {
          i.positions = {{5, -1}};
        }),
        with([](Intervention& i) {
          i.heads = {{1, 0, 1}};
        }),
        with([](Intervention& i) {
          i.rows = {{0, 0}};
        }),
        with([](Intervention& i) {
          i.components = {{-1, 5}};
        }),
        with([](Intervention& i) {
          i.components = {{2, 2}};
        })}) {
    const std::string message = refusal([&] { attach_to_all(bad); });
    EXPECT_NE(message, "");
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST(Selections, PastTheSequenceAreNamed) {
  Intervention far = change(kStream, at::ones({}));
  far.positions = {{0, 99}};
  Intervention key = change("blocks.*.attn.hook_pattern", at::ones({}));
  key.components = {{8}};
  Intervention neuron = change(kStream, at::ones({}));
  neuron.components = {{8}};
  EXPECT_EQ(never_reached({far, key, neuron}, {kStream, kPattern}, 6, 6).size(), 2U);
  EXPECT_EQ(never_reached({far, key, neuron}, {kStream, kPattern}, 6, 9).size(), 1U);
  EXPECT_TRUE(never_reached({far, key, neuron}, {kStream, kPattern}, 6, 100).empty());
}

TEST(InterventionValue, MustBeNumbersThatTheOperationCanUse) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_NE(refusal([&] {
              attach_to_all(change("*", at::tensor({1.0, nan})));
            }).find("element 1"),
            std::string::npos);
  EXPECT_NE(refusal([&] { attach_to_all(change("*", at::full({}, kMinusInfinity), Op::kScale)); }),
            "");
  EXPECT_NE(refusal([&] { attach_to_all(change("*", at::zeros({0}))); }), "");
  EXPECT_EQ(refusal([&] { attach_to_all(change("*", at::full({}, kMinusInfinity))); }), "");
}

TEST(InterventionJson, KnowsComponentsAndMinusInfinity) {
  const json text = json::parse(R"([
    {"where": "x", "components": [0, -1], "op": "replace", "value": "-inf"},
    {"where": "x", "op": "add", "value": [[0.0, "-inf"], [1.0, 2.0]]}])");
  const auto interventions = interventions_from_json(text);
  EXPECT_EQ(*interventions[0].components, (std::vector<int64_t>{0, -1}));
  EXPECT_EQ(interventions[0].value.item<double>(), kMinusInfinity);
  EXPECT_EQ(interventions[1].value[0][1].item<double>(), kMinusInfinity);
  EXPECT_EQ(interventions_to_json(interventions), text);
}

TEST(InterventionJson, RefusesWhatSelectsNothing) {
  for (const char* text :
       {R"({"where": "x", "value": 1, "positions": []})",
        R"({"where": "x", "value": 1, "heads": 3})",
        R"({"where": "x", "value": 1, "rows": [1, 1]})",
        R"({"where": "x", "value": 1, "positions": [18446744073709551615]})",
        R"({"where": "x", "value": "inf"})", R"({"where": "x", "value": "nan"})",
        R"({"where": "x", "value": true})", R"({"where": "x", "value": null})"}) {
    EXPECT_NE(refusal([&] { interventions_from_json(json::parse(text)); }), "") << text;
  }
}

}  // namespace
}  // namespace weir
