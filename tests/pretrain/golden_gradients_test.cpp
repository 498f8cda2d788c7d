// The loss of a language model and every gradient against transformers and torch's autograd.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/pretrain/golden_train.h"
#include "weir/lm/unembedding.h"
#include "weir/model/own.h"
#include "weir/pretrain/language_loss.h"
#include "weir/tensor/vocab_cross_entropy.h"
#include "weir/train/clip.h"

namespace weir {
namespace {

// Of the largest entry of each gradient; the reference's own float64 run differs by 2e-6 (README).
constexpr double kGradient = 1e-5;
constexpr double kLoss = 1e-5;  // A mean near 6 of float32 sums over 100 logits.

class GoldenTrain : public testing::TestWithParam<std::string> {
 protected:
  GoldenTrain()
      : expected_(train_tensors(GetParam())),
        notes_(train_notes(GetParam())),
        model_(golden_own_model(GetParam().substr(GetParam().find('_') + 1))),
        parameters_(trainable(model_, {"*"})) {
    for (const Parameter& parameter : parameters_) leaves_.push_back(parameter.held());
    batch_.ids = expected_.at("ids");
    batch_.labels = expected_.at("labels");
    if (expected_.count("document") > 0) batch_.document = expected_.at("document");
  }

  LanguageGradients run(double divisor, const LanguageLossOptions& options = {},
                        at::ScalarType dtype = at::kFloat) {
    const Transformer transformer(model_.config, model_.weights, dtype);
    return language_gradients(transformer, model_.weights, leaves_, batch_, divisor, options);
  }

  void expect_gradients(const std::vector<at::Tensor>& found, double tolerance) {
    const Tensors by_name = under_hf_names(model_, names_of(parameters_), found);
    size_t n = 0;
    for (const auto& [name, wanted] : expected_) {
      if (name.rfind("grad.", 0) != 0) continue;
      ++n;
      ASSERT_EQ(by_name.count(name.substr(5)), 1U) << name;
      const double largest = wanted.abs().max().item<double>();
      if (largest < 1e-6) continue;  // Nothing but rounding (the notes list them).
      EXPECT_LT(max_difference(by_name.at(name.substr(5)), wanted), tolerance * largest) << name;
    }
    EXPECT_GT(n, 0U);
  }

  double counted() const { return notes_["counted_tokens"]; }

  Tensors expected_;
  nlohmann::json notes_;
  LoadedModel model_;
  std::vector<Parameter> parameters_;
  std::vector<at::Tensor> leaves_;
  data::Batch batch_;
};

class GoldenTrainGradients : public GoldenTrain {};
class GoldenTrainPacking : public GoldenTrain {};

TEST_P(GoldenTrainGradients, AreThoseOfTransformers) {
  const LanguageGradients found = run(counted());
  EXPECT_EQ(found.sums.n_counted, notes_["counted_tokens"]);
  EXPECT_NEAR(found.sums.mean(), notes_["loss"].get<double>(), kLoss);
  EXPECT_NEAR(found.sums.loss, notes_["loss_sum"].get<double>(), kLoss * counted());
  EXPECT_NEAR(found.sums.loss / 40, notes_["loss_num_items_40"].get<double>(), kLoss);
  EXPECT_NEAR(found.sums.squared_logsumexp / counted(),
              notes_["z_loss_mean_logsumexp_squared"].get<double>(), 10 * kLoss);
  EXPECT_NEAR(static_cast<double>(found.sums.n_correct) / counted(),
              notes_["accuracy"].get<double>(), 1e-6);
  EXPECT_NEAR(gradient_norm(found.gradients), notes_["grad_norm"].get<double>(), 1e-4)
      << "a tied table counts once";
  expect_gradients(found.gradients, kGradient);
}

TEST_P(GoldenTrainGradients, AreTheSameThroughCheckpoints) {
  LanguageLossOptions options;
  options.checkpoint = true;
  const LanguageGradients found = run(counted(), options);
  EXPECT_NEAR(found.sums.mean(), notes_["loss"].get<double>(), kLoss);
  expect_gradients(found.gradients, kGradient);
}

TEST_P(GoldenTrainGradients, ComeOfPartsAsOfTheWhole) {
  const LanguageGradients whole = run(counted());
  std::vector<at::Tensor> sums;
  const data::Batch all = batch_;
  LanguageLoss loss;
  for (int64_t row = 0; row < all.ids.size(0); ++row) {
    batch_.ids = all.ids.slice(0, row, row + 1);
    batch_.labels = all.labels.slice(0, row, row + 1);
    const LanguageGradients part = run(counted());
    loss += part.sums;
    for (size_t i = 0; i < part.gradients.size(); ++i) {
      if (row == 0)
        sums.push_back(part.gradients[i].clone());
      else
        sums[i].add_(part.gradients[i]);
    }
  }
  EXPECT_NEAR(loss.loss, whole.sums.loss, 1e-4);
  expect_gradients(sums, kGradient);
}

// Eight bits of mantissa: gradients keep their direction. Those that transformers computes in
// bfloat16 have a cosine of .9992 to .9999 with its float32 ones, by the model and by chance.
TEST_P(GoldenTrainGradients, KeepTheirDirectionInBfloat16) {
  const LanguageGradients exact = run(counted()), rounded = run(counted(), {}, at::kBFloat16);
  double product = 0, a = 0, b = 0;
  for (size_t i = 0; i < exact.gradients.size(); ++i) {
    const at::Tensor x = exact.gradients[i].to(at::kDouble),
                     y = rounded.gradients[i].to(at::kDouble);
    EXPECT_EQ(rounded.gradients[i].scalar_type(), at::kFloat) << "the masters' type";
    product += (x * y).sum().item<double>();
    a += x.square().sum().item<double>();
    b += y.square().sum().item<double>();
  }
  EXPECT_GT(product / std::sqrt(a * b), 0.998);
  EXPECT_NE(a, b) << "nothing was rounded";
  EXPECT_NEAR(rounded.sums.mean(), notes_["loss"].get<double>(), 0.05);
}

TEST_P(GoldenTrainGradients, OfASmoothedObjectiveLeadDownIt) {
  LanguageLossOptions options;
  options.label_smoothing = 0.1;
  options.z_loss = 1e-2;
  // The objective's value: its own function is tests/tensor/vocab_cross_entropy_test.cpp's.
  const auto objective = [&] {
    const at::NoGradGuard no_grad;
    ForwardInput input;
    input.tokens = batch_.ids.slice(1, 0, -1);
    const Transformer transformer(model_.config, model_.weights);
    const at::Tensor z = transformer.forward(model_.weights, input).logits.flatten(0, 1);
    const at::Tensor labels = batch_.labels.slice(1, 1).flatten();
    const at::Tensor counts = labels != kNotCounted;
    const at::Tensor smoothed = at::cross_entropy_loss(z, labels, {}, 1, kNotCounted, 0.1);
    const at::Tensor square = z.logsumexp(1).square().masked_select(counts).mean();
    return std::pair{smoothed.item<double>(), square.item<double>()};
  };
  EXPECT_NEAR(objective().first, notes_["loss_label_smoothing_0.1"].get<double>(), kLoss);
  const auto value = [&] { return objective().first + 1e-2 * objective().second; };
  const LanguageGradients found = run(counted(), options);
  const double before = value(), norm = gradient_norm(found.gradients);
  const at::NoGradGuard no_grad;
  const double step = 1e-3;
  for (size_t i = 0; i < leaves_.size(); ++i) {
    leaves_[i].sub_(found.gradients[i], step / norm);
  }
  const double up = before - value();
  // To first order; the curvature of these models takes off some per cent.
  EXPECT_NEAR(up / (step * norm), 1, 0.05);
}

TEST_P(GoldenTrainPacking, IsThatOfSeparateDocuments) {
  const LanguageGradients found = run(counted());
  EXPECT_EQ(found.sums.n_counted, notes_["counted_tokens"]);
  EXPECT_NEAR(found.sums.mean(), notes_["loss"].get<double>(), kLoss);
  expect_gradients(found.gradients, 2 * kGradient);  // Logits of packed rows: 4e-6 (README).
  ForwardInput input;
  input.tokens = batch_.ids;
  input.segments = batch_.document;
  const at::NoGradGuard no_grad;
  const at::Tensor logits =
      Transformer(model_.config, model_.weights).forward(model_.weights, input).logits;
  EXPECT_LT(max_difference(logits, expected_.at("logits")), 1e-4);
}

TEST_P(GoldenTrainPacking, GivesTheLossesOfItsMistakes) {
  batch_.document = at::Tensor();
  EXPECT_NEAR(run(counted()).sums.mean(),
              notes_["loss_no_attention_boundary_but_labels_masked"].get<double>(), kLoss);
  batch_ = rows(batch_.ids);
  EXPECT_NEAR(run(counted()).sums.mean(), notes_["loss_no_boundaries"].get<double>(), kLoss);
}

TEST(GoldenTrainFolders, HaveGradientsAndPackedRows) {
  EXPECT_FALSE(train_cases("grad").empty()) << golden_topic("train");
  EXPECT_FALSE(train_cases("pack").empty()) << golden_topic("train");
}
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainGradients);
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenTrainPacking);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainGradients, testing::ValuesIn(train_cases("grad")),
                         [](const auto& instance) { return case_name(instance.param); });
INSTANTIATE_TEST_SUITE_P(Cases, GoldenTrainPacking, testing::ValuesIn(train_cases("pack")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir
