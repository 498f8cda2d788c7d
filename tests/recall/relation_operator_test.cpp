#include "weir/recall/relation_operator.h"

#include "tests/recall/recall_cases.h"
#include "weir/base/error.h"
#include "weir/recall/intercept.h"

namespace weir {
namespace {

using testing::recall_cases;
using testing::recall_model;
using testing::recall_numbers;
using testing::recall_tensors;
using testing::relative_difference;
using testing::Tensors;

class GoldenRecallLre : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenRecallLre()
      : lm_(recall_model(GetParam())),
        t_(recall_tensors("lre_" + GetParam())),
        n_(recall_numbers("lre_" + GetParam())),
        layer_(n_["layer"].get<int64_t>()),
        n_train_(n_["train"].get<int64_t>()) {}
  TokenBatch tokens(int64_t first, int64_t end) { return {t_["tokens"].slice(0, first, end), {}}; }
  at::Tensor positions(int64_t first, int64_t end) {
    return t_["pos_subject"].slice(0, first, end);
  }
  void expect(const at::Tensor& found, const std::string& key) {
    ASSERT_TRUE(t_.count(key)) << key;
    EXPECT_LT(relative_difference(found, t_[key]), testing::tolerance(lm_)) << key;
  }
  int64_t n_all() { return t_["tokens"].size(0); }
  LanguageModel lm_;
  Tensors t_;
  nlohmann::json n_;
  int64_t layer_, n_train_;
};

TEST_P(GoldenRecallLre, OperatorAndItsPredictions) {
  const RelationStates states =
      relation_states(lm_, tokens(0, n_all()), positions(0, n_all()), layer_);
  expect(states.subject, "s");
  expect(states.output, "o");
  const RelationOperator relation =
      fit_relation(lm_, tokens(0, n_train_), positions(0, n_train_), layer_);
  expect(relation.jacobians, "J");
  expect(relation.W, "W");
  expect(relation.b, "b");
  const at::Tensor test = states.subject.slice(0, n_train_);
  const at::Tensor truth = t_["logits"].slice(0, n_train_).argmax(-1);
  for (const auto& [key, faithful] : n_["faithfulness"].items()) {
    const at::Tensor logits = predict(lm_, relation, test, std::stod(key.substr(4)));
    expect(logits, "predict." + key + ".logits");
    EXPECT_EQ(logits.argmax(-1).eq(truth).to(at::kDouble).mean().item<double>(),
              faithful.get<double>());
  }
}

TEST_P(GoldenRecallLre, Edits) {
  RelationOperator relation;
  relation.layer = layer_;
  relation.W = t_["W"];
  expect(at::linalg_svdvals(relation.W), "singular_values");
  const at::Tensor o = t_["o"].slice(0, n_train_), s = t_["s"].slice(0, n_train_);
  const at::Tensor goal = o.roll({-1}, {0});
  int n_compared = 0;
  for (const auto& [key, delta] : t_) {
    if (key.rfind("edit.rank", 0) != 0 || key.find(".delta") == std::string::npos) continue;
    const std::string start = key.substr(0, key.find(".delta"));
    const at::Tensor found = edit_subject(relation, goal - o, std::stoll(start.substr(9)));
    expect(found, key);
    const at::Tensor out = run_with_subject(lm_, tokens(n_train_, n_all()),
                                            positions(n_train_, n_all()), layer_, s + found);
    expect(lm_.transformer().unembed(out), start + ".logits");
    // To move nowhere changes nothing.
    const at::Tensor still = edit_subject(relation, o - o, std::stoll(start.substr(9)));
    EXPECT_EQ(still.abs().max().item<double>(), 0);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST_P(GoldenRecallLre, OnOnePromptItReturnsItsOwnOutput) {
  const RelationOperator relation = fit_relation(lm_, tokens(0, 1), positions(0, 1), layer_);
  const RelationStates states = relation_states(lm_, tokens(0, 1), positions(0, 1), layer_);
  EXPECT_LT(relative_difference(predict(lm_, relation, states.subject, 1),
                                lm_.transformer().unembed(states.output)),
            1e-10);
}

TEST_P(GoldenRecallLre, MlpOutputAsAFunction) {
  const auto layer = n_["function_layer"].get<int64_t>();
  const LastPosition train(lm_, tokens(0, n_train_));
  const at::Tensor vector = train.clean().mlp_out[layer].mean(0);
  expect(vector, "function.vector");
  const LastPosition test(lm_, tokens(n_train_, n_all()));
  int n_compared = 0;
  for (const auto& [key, logits] : t_) {
    if (key.rfind("function.", 0) != 0 || key == "function.vector") continue;
    const double alpha = std::stod(key.substr(9));
    expect(run_with_mlp_plus(test, layer, alpha * vector), key);
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

TEST_P(GoldenRecallLre, ReciprocalRanks) {
  const LastPosition all(lm_, tokens(0, n_all()));
  expect(reciprocal_ranks(lm_, all.clean().resid_post, t_["answer"]), "reciprocal_rank");
}

TEST_P(GoldenRecallLre, RefusesARankThatIsNone) {
  RelationOperator relation;
  relation.W = t_["W"];
  EXPECT_THROW(edit_subject(relation, t_["o"], 0), Error);
  EXPECT_THROW(fit_relation(lm_, tokens(0, 1), positions(0, 1), 99), Error);
}

TEST(GoldenRecallFolder, HasRelations) { EXPECT_FALSE(recall_cases("lre").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRecallLre);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRecallLre, ::testing::ValuesIn(recall_cases("lre")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
