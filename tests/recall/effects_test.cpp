#include "weir/recall/effects.h"

#include "tests/recall/recall_cases.h"
#include "weir/patch/readings.h"
#include "weir/recall/final_reader.h"
#include "weir/recall/head_readings.h"

namespace weir {
namespace {

using testing::recall_cases;
using testing::recall_model;
using testing::recall_numbers;
using testing::recall_tensors;
using testing::relative_difference;
using testing::Tensors;

TEST(GoldenRecallSparsifier, KeepsWhatTheReferenceKeeps) {
  Tensors t = recall_tensors("sparsifier");
  int n_compared = 0;
  for (const auto& [key, expected] : t) {
    const size_t at = key.find(".theta");
    if (at == std::string::npos) continue;
    const at::Tensor found =
        sparsify(t.at(key.substr(0, at) + ".effect"), std::stod(key.substr(at + 6)));
    EXPECT_TRUE(found.equal(expected)) << key;
    ++n_compared;
  }
  EXPECT_GT(n_compared, 0);
}

class GoldenRecallHeads : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenRecallHeads()
      : lm_(recall_model(GetParam())),
        p_(recall_tensors("prompts_" + GetParam())),
        t_(recall_tensors("heads_" + GetParam())),
        last_(lm_, {p_["tokens"], {}}) {}
  void expect(const at::Tensor& found, const std::string& key) {
    ASSERT_TRUE(t_.count(key)) << key;
    EXPECT_LT(relative_difference(found, t_[key]), testing::tolerance(lm_)) << key;
  }
  LanguageModel lm_;
  Tensors p_, t_;
  LastPosition last_;
};

TEST_P(GoldenRecallHeads, Metrics) {
  const at::Tensor logits = last_.clean().logits;
  EXPECT_LT(relative_difference(logits, p_["logits"]), testing::tolerance(lm_));
  expect(centred_logit(logits, p_["ids_answer"]), "metric.iw");
  expect(centred_logit(logits, p_["ids_subject"]), "metric.n");
  expect(centred_logit(logits, p_["ids_in_context"]), "metric.ic");
  const FinalReader reader(lm_);
  expect(reader.own(last_.clean().resid_post[-1], p_["ids_answer"]), "metric.iw");
  const nlohmann::json n = recall_numbers("heads_" + GetParam());
  EXPECT_NEAR(t_["metric.iw"].mean().item<double>(), n["metrics"]["iw"]["mean"].get<double>(),
              1e-12);
}

TEST_P(GoldenRecallHeads, PathEffects) {
  for (const bool frozen : {false, true}) {
    const std::string name = frozen ? "effect.mlps_frozen." : "effect.mlps_react.";
    const RecallEffects effects =
        path_effects(lm_, {p_["tokens"], {}}, p_["ids_answer"], p_["ids_subject"], frozen);
    const auto percent = [&](const at::Tensor& change, const std::string& of) {
      return 100 * change.mean(-1) / t_["metric." + of].mean();
    };
    expect(percent(effects.answer.heads, "iw"), name + "iw.heads");
    expect(percent(effects.answer.mlps, "iw").unsqueeze(1), name + "iw.mlps");
    expect(percent(effects.subject.heads, "n"), name + "n.heads");
    expect(percent(effects.subject.mlps, "n").unsqueeze(1), name + "n.mlps");
  }
}

TEST_P(GoldenRecallHeads, AttentionAndWrite) {
  const HeadReadings readings =
      read_heads(last_, p_["pos_subject"], p_["pos_subject"], p_["ids_subject"]);
  expect(readings.attention, "head.attention_to_subject");
  expect(readings.write, "head.write_on_subject");
  expect(readings.pearson, "head.pearson");
}

TEST_P(GoldenRecallHeads, CopyScores) {
  const at::Tensor tokens = p_["tokens"], rows = at::arange(tokens.size(0), at::kLong);
  RunOptions options;
  options.cache = only({"blocks.0.hook_resid_post"});
  const at::Tensor stream = lm_.run({tokens, {}}, options).cache["blocks.0.hook_resid_post"];
  std::vector<HeadId> heads;
  for (int64_t layer = 0; layer < lm_.config().n_layers; ++layer) {
    for (int64_t head = 0; head < lm_.config().n_heads; ++head) heads.push_back({layer, head});
  }
  const auto compare = [&](const at::Tensor& streams, const at::Tensor& ids,
                           const std::string& of) {
    const CopyScores scores = copy_scores(lm_, heads, streams, ids);
    const at::IntArrayRef shape = t_["head.pearson"].sizes();
    expect(scores.positive.view(shape), "head.copy_score." + of + ".pos");
    expect(scores.negative.view(shape), "head.copy_score." + of + ".neg");
  };
  compare(stream.flatten(0, 1), tokens.flatten(), "all");
  compare(stream.index({rows, p_["pos_subject"]}), tokens.index({rows, p_["pos_subject"]}),
          "subject");
}

TEST_P(GoldenRecallHeads, EigenPositivity) {
  const EigenPositivity positivity = eigen_positivity(lm_);
  expect(positivity.ov, "head.eigen_positivity.ov");
  expect(positivity.full, "head.eigen_positivity.full");
}

TEST_P(GoldenRecallHeads, TopicThenAnswer) {
  const FinalReader reader(lm_);
  const LastActivations& clean = last_.clean();
  for (const std::string of : {"answer", "subject"}) {
    const at::Tensor& ids = p_["ids_" + of];
    const at::Tensor curve =
        at::stack({reader.own(clean.resid_mid, ids), reader.own(clean.resid_post, ids)}, 1);
    expect(curve.flatten(0, 1), "curve." + of);
  }
}

TEST(GoldenRecallFolder, HasHeads) { EXPECT_FALSE(recall_cases("heads").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRecallHeads);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRecallHeads, ::testing::ValuesIn(recall_cases("heads")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
