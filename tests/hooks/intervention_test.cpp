#include "weir/hooks/intervention.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/io/temporary_folder.h"
#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

using nlohmann::json;
using Op = Intervention::Op;

const std::vector<std::string> kNames = {"blocks.0.hook_resid_pre", "blocks.0.attn.hook_z",
                                         "blocks.0.attn.hook_pattern",
                                         "blocks.0.attn.q_norm.hook_normalized"};

// What `intervention` makes of x [B, T, ...] at `name`.
at::Tensor applied(const Intervention& intervention, const at::Tensor& x,
                   const std::string& name = "blocks.0.hook_resid_pre", int64_t prompt_length = 6,
                   int64_t first_position = 0) {
  Hooks hooks(kNames);
  const auto guards = attach(hooks, {intervention}, prompt_length);
  return hooks.run(name, x, first_position);
}

Intervention change(Op op, at::Tensor value, const std::string& where = "*") {
  Intervention intervention;
  intervention.where = where;
  intervention.op = op;
  intervention.value = std::move(value);
  return intervention;
}

bool refused(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == ErrorCode::kInvalidArgument;
  }
  return false;
}

TEST(Intervention, ReplacesAddsAndScalesEverywhere) {
  const at::Tensor x = at::randn({2, 6, 4});
  const at::Tensor row = at::randn({4});
  EXPECT_TRUE(applied(change(Op::kReplace, row), x).equal(row.expand_as(x)));
  EXPECT_TRUE(applied(change(Op::kAdd, row), x).equal(x + row));
  EXPECT_TRUE(applied(change(Op::kScale, at::full({}, -2.0)), x).equal(x * -2));
}

TEST(Intervention, ProjectsOutTheSpanOfItsRows) {
  const at::Tensor x = at::randn({2, 6, 4}, at::kDouble);
  const at::Tensor directions = at::randn({2, 4}, at::kDouble);
  const at::Tensor rest = applied(change(Op::kProject, directions), x);
  EXPECT_LT(at::matmul(rest, directions.t()).abs().max().item<double>(), 1e-12);
  // What remains is the nearest point of the complement: projecting again changes nothing.
  EXPECT_LT((applied(change(Op::kProject, directions), rest) - rest).abs().max().item<double>(),
            1e-12);
  const at::Tensor one = applied(change(Op::kProject, directions[0]), x);
  const at::Tensor u = directions[0] / directions[0].norm();
  EXPECT_LT((one - (x - at::matmul(x, u).unsqueeze(-1) * u)).abs().max().item<double>(), 1e-12);
}

TEST(Intervention, TouchesOnlyTheChosenPositionsHeadsAndRows) {
  const at::Tensor x = at::randn({3, 6, 4, 5});
  Intervention intervention = change(Op::kReplace, at::full({}, 7.0), "*hook_z");
  intervention.positions = {{1, -1}};
  intervention.heads = {{2}};
  intervention.rows = {{0, 2}};
  const at::Tensor y = applied(intervention, x, "blocks.0.attn.hook_z");
  at::Tensor expected = x.clone();
  for (const int64_t row : {0, 2}) {
    for (const int64_t position : {1, 5}) expected[row][position][2].fill_(7);
  }
  EXPECT_TRUE(y.equal(expected));
}

TEST(Intervention, EachSelectedSliceGetsItsOwnValue) {
  const at::Tensor x = at::randn({2, 6, 4});
  Intervention intervention = change(Op::kReplace, at::randn({2, 3, 4}));
  intervention.positions = {{0, 2, 4}};
  const at::Tensor y = applied(intervention, x);
  EXPECT_TRUE(y.index_select(1, at::tensor({0, 2, 4})).equal(intervention.value));
  EXPECT_TRUE(
      y.index_select(1, at::tensor({1, 3, 5})).equal(x.index_select(1, at::tensor({1, 3, 5}))));
}

TEST(Intervention, CountsQueriesAndHeadsOfAMap) {
  const at::Tensor x = at::rand({1, 4, 6, 6});
  Intervention intervention = change(Op::kReplace, at::zeros({}), "*pattern");
  intervention.positions = {{3}};
  intervention.heads = {{1}};
  const at::Tensor y = applied(intervention, x, "blocks.0.attn.hook_pattern");
  at::Tensor expected = x.clone();
  expected[0][1][3].fill_(0);
  EXPECT_TRUE(y.equal(expected));
}

TEST(Intervention, PositionsAreThoseOfTheSequenceWhileDecoding) {
  const at::Tensor x = at::randn({1, 1, 4});
  Intervention intervention = change(Op::kAdd, at::ones({}));
  intervention.positions = {{7, -2}};  // 7, and 4 of a prompt of 6
  EXPECT_TRUE(applied(intervention, x, kNames[0], 6, 7).equal(x + 1));
  EXPECT_TRUE(applied(intervention, x, kNames[0], 6, 4).equal(x + 1));
  EXPECT_TRUE(applied(intervention, x, kNames[0], 6, 5).is_same(x));
}

TEST(Intervention, NeverWritesIntoWhatItIsGiven) {
  const at::Tensor x = at::randn({2, 6, 4});
  const at::Tensor copy = x.clone();
  Intervention intervention = change(Op::kReplace, at::zeros({}));
  intervention.positions = {{0}};
  applied(intervention, x);
  EXPECT_TRUE(x.equal(copy));
}

TEST(Intervention, LetsGradientsThrough) {
  const at::Tensor x = at::randn({1, 3, 2}).requires_grad_(true);
  Intervention intervention = change(Op::kReplace, at::zeros({}));
  intervention.positions = {{1}};
  applied(intervention, x, kNames[0], 3).sum().backward();
  EXPECT_TRUE(x.grad().equal(at::tensor({1.0f, 1.0f, 0.0f, 0.0f, 1.0f, 1.0f}).view({1, 3, 2})));
}

TEST(Intervention, RefusesWhatTheActivationDoesNotHave) {
  const at::Tensor stream = at::randn({2, 6, 4});
  const auto with = [](const std::function<void(Intervention&)>& set) {
    Intervention intervention = change(Op::kReplace, at::zeros({}));
    set(intervention);
    return intervention;
  };
  const auto heads = with([](Intervention& i) { i.heads = {{0}}; });
  const auto row = with([](Intervention& i) { i.rows = {{2}}; });
  const auto before = with([](Intervention& i) { i.positions = {{-7}}; });
  const auto wide = with([](Intervention& i) { i.value = at::zeros({5}); });
  for (const Intervention& intervention : {heads, row, before, wide}) {
    EXPECT_TRUE(refused([&] { applied(intervention, stream); }));
  }
  const at::Tensor flattened = at::randn({2 * 6 * 3, 4});
  const auto first_row = with([](Intervention& i) { i.rows = {{0}}; });
  EXPECT_TRUE(refused([&] { applied(first_row, flattened, kNames[3]); }));
  EXPECT_TRUE(refused(
      [&] { applied(with([](Intervention& i) { i.positions = {{0}}; }), flattened, kNames[3]); }));
}

TEST(InterventionJson, RoundTrips) {
  const json text = json::parse(R"([
    {"where": "blocks.5.attn.hook_z", "positions": [-1], "heads": [3], "rows": [0, 1],
     "op": "replace", "value": 0.0},
    {"where": "blocks.*.hook_resid_pre", "op": "add", "value": [0.5, -1.25]},
    {"where": "x", "op": "scale", "value": 2.0},
    {"where": "x", "op": "project", "value": [[1.0, 0.0], [0.0, 1.0]]}])");
  const auto interventions = interventions_from_json(text);
  ASSERT_EQ(interventions.size(), 4U);
  EXPECT_EQ(interventions[0].op, Op::kReplace);
  EXPECT_EQ(*interventions[0].positions, std::vector<int64_t>{-1});
  EXPECT_EQ(interventions[3].value.sizes(), at::IntArrayRef({2, 2}));
  EXPECT_EQ(interventions_to_json(interventions), text);
}

TEST(InterventionJson, OneObjectIsAListOfOneAndReplaceIsTheDefault) {
  const auto interventions = interventions_from_json(json{{"where", "x"}, {"value", 1}});
  ASSERT_EQ(interventions.size(), 1U);
  EXPECT_EQ(interventions[0].op, Op::kReplace);
}

TEST(InterventionJson, ReadsValuesFromAFileBesideIt) {
  const io::TemporaryFolder folder;
  const at::Tensor value = at::randn({3, 4});
  io::write_safetensors(folder / "v.safetensors", {to_view("direction", value)});
  const json object = {{"where", "x"},
                       {"value", {{"file", "v.safetensors"}, {"key", "direction"}}}};
  const auto interventions = interventions_from_json(object, folder.path().string());
  EXPECT_TRUE(interventions[0].value.equal(value));
  const json written = interventions_to_json(interventions);
  EXPECT_EQ(written[0]["value"], object["value"]) << "the file is named again, not spelled out";
}

TEST(InterventionJson, RefusesWhatItDoesNotUnderstand) {
  for (const char* text :
       {R"({"value": 1})", R"({"where": "x"})", R"({"where": "x", "value": "big"})",
        R"({"where": "x", "value": 1, "op": "divide"})",
        R"({"where": "x", "value": 1, "hed": [1]})", R"({"where": "x", "value": [[1, 2], [3]]})",
        R"({"where": 5, "value": 1})", R"({"where": "x", "value": 1, "heads": [0.5]})", R"(["x"])",
        R"({"where": "x", "value": []})"}) {
    EXPECT_TRUE(refused([&] { interventions_from_json(json::parse(text)); })) << text;
  }
}

}  // namespace
}  // namespace weir
