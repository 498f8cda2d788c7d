// Masks against the authors' mask layers and PyTorch in float64 (the golden topic `subnet`). Logits
// and losses 1e-6: in the reference of GPT-NeoX softmax and rotary tables are float32. Gradients
// are stored in float32 and compared with 1e-4 of the largest entry, as the README says.
#include <cmath>

#include "tests/io/temporary_folder.h"
#include "tests/subnet/golden_masks.h"

namespace weir::testing {
namespace {

constexpr double kGradient = 1e-4;

class GoldenSubnetMask : public GoldenMasks {};

TEST_P(GoldenSubnetMask, ListsTheMaskedWeights) {
  EXPECT_EQ(space_.size(), golden_.notes["mask_params"].get<int64_t>());
  const auto back = to_hugging_face(lm_.source(), parts("m"));
  for (const auto& name : golden_.notes["masked"]) {
    EXPECT_TRUE(back.at(name).equal(golden_.at("m." + name.get<std::string>()))) << name;
  }
}

TEST_P(GoldenSubnetMask, SoftLossAndGradients) {
  const std::vector<at::Tensor> m = parts("m");
  const double lambda = golden_.notes["lambda"];
  int n_gradients = 0;
  for (const auto& [beta, of] : golden_.notes["soft"].items()) {
    const SoftMask soft{space_, *method_, m, std::stod(beta)};
    std::vector<at::Tensor> gradients(m.size());
    const MaskedLoss loss = masked_loss(
        lm_.transformer(), soft, golden_.at("ids"), *target_, lambda,
        [&](size_t part, const at::Tensor& gradient) { gradients[part] = gradient.clone(); });
    EXPECT_NEAR(loss.cross_entropy, of["ce"].get<double>(), kValue);
    EXPECT_NEAR(loss.penalty, of["l1_mean"].get<double>(), kValue);
    EXPECT_NEAR(loss.total, of["loss"].get<double>(), kValue);
    const Decided counts = decided(soft);
    EXPECT_EQ(counts.below, of["below_0_1"].get<int64_t>());
    EXPECT_EQ(counts.above, of["above_0_9"].get<int64_t>());
    EXPECT_EQ(counts.undecided, of["undecided"].get<int64_t>());
    EXPECT_EQ(counts.stop(), of["stop"].get<bool>());
    const std::string key = "soft" + beta;
    if (!golden_.has(key + ".logits")) continue;
    expect_near(gradients, parts(key + ".grad"), kGradient);
    std::vector<at::Tensor> z;
    for (size_t i = 0; i < m.size(); ++i) z.push_back(soft.values(i).z);
    const int64_t n_vocabulary = golden_.notes["vocab_cut"];
    EXPECT_LT(max_difference(logits(space_.overlay(z)).slice(2, 0, n_vocabulary),
                             golden_.at(key + ".logits")),
              kValue);
    ++n_gradients;
  }
  EXPECT_GT(n_gradients, 0);
}

TEST_P(GoldenSubnetMask, LossWithoutGradientsIsTheSame) {
  const std::vector<at::Tensor> m = parts("m");
  const auto& of = golden_.notes["soft"].begin();
  const SoftMask soft{space_, *method_, m, std::stod(of.key())};
  const MaskedLoss loss =
      masked_loss(lm_.transformer(), soft, golden_.at("ids"), *target_, golden_.notes["lambda"]);
  EXPECT_NEAR(loss.total, of.value()["loss"].get<double>(), kValue);
}

TEST_P(GoldenSubnetMask, LearnsFromTheFullModel) {
  const auto& of = golden_.notes["soft_full_model_target"];
  const auto full = model_target(lm_, golden_.notes["vocab_cut"].get<int64_t>());
  const std::vector<at::Tensor> m = parts("m");
  const SoftMask soft{space_, *method_, m, of["beta"].get<double>()};
  const MaskedLoss loss = masked_loss(lm_.transformer(), soft, golden_.at("ids"), *full,
                                      golden_.notes["lambda"].get<double>());
  EXPECT_NEAR(loss.cross_entropy, of["ce"].get<double>(), kValue);
  EXPECT_NEAR(loss.total, of["loss"].get<double>(), kValue);
  EXPECT_NEAR(loss.kl, of["kl"].get<double>(), kValue);
}

TEST_P(GoldenSubnetMask, HardMasksAreWeightOverlays) {
  const Subnetwork hard = mask("m"), keep = mask("keep");
  EXPECT_EQ(hard.active(), golden_.notes["active"].get<int64_t>());
  expect_logits(hard, "hard.logits");
  expect_logits(full_subnetwork(space_), "full.logits");
  expect_logits(full_subnetwork(space_, false), "empty.logits");
  expect_logits(keep, "ablate.keep.logits");
  expect_logits(complement(keep), "ablate.complement.logits");
  expect_logits(mask("keep_shuffled"), "ablate.shuffled.logits");
  expect_logits(complement(mask("keep_shuffled")), "ablate.shuffled_complement.logits");
  const Weights full = applied(space_, full_subnetwork(space_));
  EXPECT_TRUE(logits(full).equal(logits(lm_.transformer().weights()))) << "bit for bit";
}

TEST_P(GoldenSubnetMask, SetOperations) {
  const Subnetwork a = mask("overlap.a"), b = mask("overlap.b");
  const auto& of = golden_.notes["set_operations"];
  EXPECT_EQ(unite(a, b).active(), of["union"].get<int64_t>());
  EXPECT_EQ(intersect(a, b).active(), of["intersection"].get<int64_t>());
  EXPECT_EQ(without(a, b).active(), of["difference"].get<int64_t>());
  EXPECT_EQ(symmetric_difference(a, b).active(), of["symmetric_difference"].get<int64_t>());
}

// Five updates of AdamW. GPT-2's masks agree to 1e-14. AdamW divides each gradient by its own size,
// so where a gradient is near 0 in one step, the float32 rounding of a rotary reference moves the
// mask by some of the rate (0.005): 2 of 33,792 entries by more than 1e-6, none by more than 6e-6.
TEST_P(GoldenSubnetMask, TrainsAsTheReference) {
  const auto& of = golden_.notes["train"];
  Weights weights = lm_.transformer().weights();
  std::map<std::string, at::Tensor> tensors = to_hugging_face(lm_.source(), [&] {
    std::vector<at::Tensor> all;
    for (size_t i = 0; i < space_.parts().size(); ++i) all.push_back(space_.base(i));
    return all;
  }());
  const std::string prefix = "train.zeroed.";
  for (const auto& [name, tensor] : golden_.tensors) {
    if (name.rfind(prefix, 0) == 0) tensors[name.substr(prefix.size())] = tensor;
  }
  const auto changed = from_hugging_face(lm_.source(), tensors);
  for (size_t i = 0; i < changed.size(); ++i) {
    space_.parts()[i].matrix.in(weights) = Matrix(changed[i]);
  }
  const Transformer transformer(lm_.config(), weights, at::kDouble);
  const MaskSpace space(transformer.weights(), lm_.config(), MaskUnit::kWeight, at::kDouble);
  MaskTraining options;
  options.lambda = golden_.notes["lambda"];
  options.learning_rate = of["lr"];
  options.weight_decay = of["weight_decay"];
  options.growth = of["growth"];
  const auto trainer = [&] {
    return MaskTrainer(transformer, space, *target_, continuous_sparsification(), options);
  };
  MaskTrainer whole = trainer(), halves = trainer();
  const int64_t batch = of["batch"];
  const at::Tensor rows = SubnetGolden("ngram_" + GetParam()).at("train");
  const io::TemporaryFolder folder;
  for (const auto& expected : of["log"]) {
    const int64_t first = (expected["step"].get<int64_t>() - 1) * batch;
    const at::Tensor tokens = rows.slice(0, first, first + batch);
    const MaskTrainer::Step step = whole.step({tokens});
    EXPECT_NEAR(step.beta, expected["beta"].get<double>(), 1e-12);
    EXPECT_NEAR(step.loss.total, expected["loss"].get<double>(), kValue);
    EXPECT_NEAR(step.loss.cross_entropy, expected["ce"].get<double>(), kValue);
    EXPECT_NEAR(step.loss.penalty, expected["l1_mean"].get<double>(), kValue);
    EXPECT_EQ(step.decided.below, expected["below_0_1"].get<int64_t>());
    EXPECT_EQ(step.decided.above, expected["above_0_9"].get<int64_t>());
    EXPECT_EQ(step.decided.undecided, expected["undecided"].get<int64_t>());
    EXPECT_EQ(step.stop(), expected["stop"].get<bool>());
    // The same in steps that are saved and resumed in between.
    const auto file = folder / "training.safetensors";
    MaskTrainer next = trainer();
    if (std::filesystem::exists(file)) next.resume(file);
    next.step({tokens});
    next.save(file);
    halves.resume(file);
  }
  EXPECT_NEAR(whole.beta(), of["beta_after"].get<double>(), 1e-12);
  const bool is_rounded = lm_.config().position == PositionKind::kRotary;
  const auto expected = parts("train.m");
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_LT(max_difference(whole.logits()[i], expected[i]), is_rounded ? 20 * kValue : kValue);
  }
  for (size_t i = 0; i < whole.logits().size(); ++i) {
    EXPECT_TRUE(whole.logits()[i].equal(halves.logits()[i])) << "bit for bit";
  }
}

TEST(GoldenSubnetMaskFolder, HasCases) { EXPECT_FALSE(subnet_cases("mask").empty()); }
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(GoldenSubnetMask);
INSTANTIATE_TEST_SUITE_P(Cases, GoldenSubnetMask, ::testing::ValuesIn(subnet_cases("mask")),
                         [](const auto& instance) { return case_name(instance.param); });

}  // namespace
}  // namespace weir::testing
