#include "weir/recall/intercept.h"

#include "tests/recall/recall_cases.h"
#include "weir/recall/mlp_parts.h"

namespace weir {
namespace {

using testing::recall_cases;
using testing::recall_model;
using testing::recall_numbers;
using testing::recall_tensors;
using testing::relative_difference;
using testing::Tensors;

// What an MLP of a real (random) model is made of, and its intercept acting in the model.
class GoldenRecallMlp : public ::testing::TestWithParam<std::string> {
 protected:
  GoldenRecallMlp()
      : layer_(testing::model_and_layer(GetParam()).second),
        name_(testing::model_and_layer(GetParam()).first),
        lm_(recall_model(name_)),
        p_(recall_tensors("prompts_" + name_)),
        t_(recall_tensors("decomposition_" + GetParam())),
        last_(lm_, {p_["tokens"], {}}) {}
  void expect(const at::Tensor& found, const std::string& key) {
    ASSERT_TRUE(t_.count(key)) << key;
    EXPECT_LT(relative_difference(found, t_[key]), testing::tolerance(lm_)) << key;
  }
  int64_t layer_;
  std::string name_;
  LanguageModel lm_;
  Tensors p_, t_;
  LastPosition last_;
};

TEST_P(GoldenRecallMlp, PartsSumToWhatItReads) {
  const MlpParts parts = mlp_parts(last_, layer_);
  expect(parts.c, "in.c");
  expect(parts.m, "in.m");
  expect(parts.x, "in.x");
  expect(parts.c.sum(1), "in.x");
  expect(parts.scale, "in.ln2_scale");
  expect(parts.gain, "in.ln2_gain");
  EXPECT_EQ(static_cast<int64_t>(parts.names.size()), parts.c.size(1));
}

TEST_P(GoldenRecallMlp, Derivative) {
  const MlpParts parts = mlp_parts(last_, layer_);
  const Linearised linear = linearise(lm_, parts);
  expect(linear.parts, "M7.parts");
  expect(linear.intercept, "M7.intercept");
  expect(linear.gain, "M7.gain");
  expect(linear.parts.sum(1) + linear.intercept, "in.m");
}

TEST_P(GoldenRecallMlp, ReadingsOfTheIntercept) {
  const nlohmann::json n = recall_numbers("decomposition_" + GetParam());
  const FinalReader reader(lm_);
  const at::Tensor& b = t_["M1.b"];
  const double scale = reader.scale(last_.clean().resid_post[-1]).mean().item<double>();
  EXPECT_NEAR(scale / n["s_bar"].get<double>(), 1, testing::tolerance(lm_));
  for (const auto& [form, key] :
       {std::pair(UnembeddingForm::kRaw, "raw"), std::pair(UnembeddingForm::kFolded, "folded")}) {
    const at::Tensor lens = lens_of(reader, b, scale, form);
    expect(lens, std::string("read.lens_b.") + key);
    expect(cosines_with(reader, b, p_["answer_ids"], form),
           std::string("read.cos_b_answers.") + key);
    expect(cosines_with(reader, b, p_["other_ids"], form), std::string("read.cos_b_other.") + key);
    const auto& numbers = n[std::string("read.") + key];
    EXPECT_NEAR((lens.index_select(0, p_["answer_ids"]) - lens.mean()).mean().item<double>(),
                numbers["pi_answers"].get<double>(), 1e-6);
  }
}

TEST_P(GoldenRecallMlp, InterceptInsideTheModel) {
  const at::Tensor &b = t_["M1.b"], &m = t_["in.m"];
  const at::Tensor wc = at::einsum("j,njd->nd", {t_["M1.w"], t_["in.c"]});
  expect(run_with_mlp_out(last_, layer_, wc + b), "ablate.a.logits");
  expect(run_with_mlp_out(last_, layer_, b), "ablate.b.logits");
  expect(run_with_mlp_out(last_, layer_, wc), "ablate.c.logits");
  expect(run_with_mlp_out(last_, layer_, m - b), "ablate.d.logits");
  // Its own output in its place changes nothing.
  EXPECT_LT(relative_difference(run_with_mlp_out(last_, layer_, last_.clean().mlp_out[layer_]),
                                last_.clean().logits),
            1e-12);
}

TEST_P(GoldenRecallMlp, Transfer) {
  const LastPosition others(lm_, {p_["other_prompts"], {}});
  expect(others.clean().logits, "transfer.clean_logits");
  expect(run_with_mlp_plus(others, layer_, t_["M1.b"]), "transfer.logits");
}

TEST_P(GoldenRecallMlp, HeadsBeforeAndAfter) {
  const FinalReader reader(lm_);
  const at::Tensor u = reader.W_U().index_select(1, p_["ids_subject"]).t();
  const at::Tensor before = at::einsum("njd,nd->nj", {mlp_parts(last_, layer_).c, u});
  expect(before, "read.subject_before");
  expect(before * t_["M1.g"], "read.subject_after");
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenRecallMlp);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenRecallMlp, ::testing::ValuesIn(recall_cases("decomposition")),
                         [](const auto& i) { return case_name(i.param); });

}  // namespace
}  // namespace weir
