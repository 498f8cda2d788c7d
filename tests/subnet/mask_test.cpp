// Masks of every unit and method on small models of several families, in float64: gradients
// against differences, parts that must sum to the whole.
#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/subnet/input_means.h"
#include "weir/subnet/mask_training.h"
#include "weir/subnet/ngram_counter.h"
#include "weir/subnet/surprisal_file.h"

namespace weir::testing {
namespace {

LanguageModel model_of(const std::string& name) {
  return LanguageModel::load(golden_folder(name), {at::kDouble});
}

NgramModel bigrams_of(const LanguageModel& lm, const at::Tensor& tokens) {
  NgramCountOptions options;
  options.vocabulary = lm.config().d_vocab;
  NgramCounter counter(options);
  counter.add_rows(tokens);
  return counter.finish();
}

struct Case {
  std::string model;
  MaskUnit unit;
  std::string method;
  bool to_means;
};

class MaskUnits : public ::testing::TestWithParam<Case> {};

// Along one random direction of all logits; central differences of 1e-5 leave about 1e-9. The
// straight-through slope is no derivative: there the soft mask's slope is compared.
TEST_P(MaskUnits, GradientsAreDifferences) {
  const Case& of = GetParam();
  const LanguageModel lm = model_of(of.model);
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {3, 7}, at::kLong);
  const auto target = ngram_target(bigrams_of(lm, tokens).smoothed({0.1}));
  MaskSpace space(lm.transformer().weights(), lm.config(), of.unit, at::kDouble);
  if (of.to_means) space.ablate_to_means(input_means(lm, space, tokens));
  const auto method = mask_method_of(of.method);
  std::vector<at::Tensor> logits = space.filled(0.3), direction;
  for (at::Tensor& part : logits) {
    part.add_(at::randn_like(part), 0.5);
    direction.push_back(at::randn_like(part));
  }
  double slope = 0;
  const auto loss = [&](double step, bool gradients) {
    std::vector<at::Tensor> moved;
    for (size_t i = 0; i < logits.size(); ++i) moved.push_back(logits[i] + step * direction[i]);
    const SoftMask mask{space, *method, moved, 1.5, 17};
    GradientSink sink;
    if (gradients) {
      sink = [&](size_t part, const at::Tensor& gradient) {
        slope += (gradient * direction[part]).sum().item<double>();
      };
    }
    return masked_loss(lm.transformer(), mask, tokens, *target, 2.5, sink).total;
  };
  const double at_once = loss(0, true);
  EXPECT_NEAR(at_once, loss(0, false), 1e-12);
  const double step = 1e-5, difference = (loss(step, false) - loss(-step, false)) / (2 * step);
  EXPECT_NEAR(slope, difference, 1e-6 * std::max(1.0, std::abs(difference)));
}

TEST_P(MaskUnits, AllKeptChangesNothing) {
  const Case& of = GetParam();
  const LanguageModel lm = model_of(of.model);
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {2, 6}, at::kLong);
  MaskSpace space(lm.transformer().weights(), lm.config(), of.unit, at::kDouble);
  if (of.to_means) space.ablate_to_means(input_means(lm, space, tokens));
  const Weights overlay = applied(space, full_subnetwork(space));
  RunOptions options;
  options.weights = &overlay;
  EXPECT_LT(max_difference(lm.run({tokens, {}}, options).logits, lm.run({tokens, {}}).logits),
            1e-10);
}

INSTANTIATE_TEST_SUITE_P(
    All, MaskUnits,
    ::testing::Values(Case{"gpt2", MaskUnit::kWeight, "continuous", true},
                      Case{"llama_gqa_tied", MaskUnit::kWeight, "continuous", false},
                      Case{"llama_gqa_tied", MaskUnit::kWeight, "hard-concrete", true},
                      Case{"gpt_neox", MaskUnit::kNeuron, "continuous", true},
                      Case{"llama_gqa_tied", MaskUnit::kNeuron, "hard-concrete", false},
                      Case{"llama_gqa_tied", MaskUnit::kHead, "continuous", true},
                      Case{"gpt2", MaskUnit::kLayer, "continuous", false},
                      Case{"gemma2", MaskUnit::kHead, "continuous", true},
                      Case{"gpt2", MaskUnit::kSvd, "continuous", false},
                      Case{"llama_gqa_tied", MaskUnit::kSvd, "continuous", true}),
    [](const auto& instance) {
      const Case& of = instance.param;
      return case_name(of.model + "_" + to_string(of.unit) + "_" + of.method +
                       (of.to_means ? "_means" : ""));
    });

// A head that is masked away adds nothing: the same as an intervention on what it writes.
TEST(MaskSpace, MaskedHeadIsAnAblatedHead) {
  const LanguageModel lm = model_of("llama_gqa_tied");
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {2, 6}, at::kLong);
  const MaskSpace heads(lm.transformer().weights(), lm.config(), MaskUnit::kHead, at::kDouble);
  Subnetwork mask = full_subnetwork(heads);
  mask.part("blocks.1.attn.W_O")[2] = false;
  const Weights overlay = applied(heads, mask);
  RunOptions masked;
  masked.weights = &overlay;
  RunOptions hooked;
  hooked.hooks = {{"blocks.1.attn.hook_z", [](const at::Tensor& z, const HookContext&) {
                     at::Tensor changed = z.clone();
                     changed.select(2, 2).zero_();
                     return changed;
                   }}};
  const at::Tensor expected = lm.run({tokens, {}}, hooked).logits;
  EXPECT_LT(max_difference(lm.run({tokens, {}}, masked).logits, expected), 1e-10);
  // The same as a mask of weights.
  const MaskSpace weights(lm.transformer().weights(), lm.config(), MaskUnit::kWeight, at::kDouble);
  Subnetwork of_weights = full_subnetwork(weights);
  set_head(of_weights, lm.config(), 1, 2, false);
  const Weights other = applied(weights, of_weights);
  masked.weights = &other;
  EXPECT_LT(max_difference(lm.run({tokens, {}}, masked).logits, expected), 1e-10);
}

// To the mean: on text where every input is its mean, nothing changes.
TEST(MaskSpace, MeanAblationKeepsTheMean) {
  const LanguageModel lm = model_of("gpt2");
  const at::Tensor tokens = at::full({1, 1}, 5, at::kLong);
  MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight, at::kDouble);
  space.ablate_to_means(input_means(lm, space, tokens));
  const Weights overlay = applied(space, full_subnetwork(space, false));
  RunOptions options;
  options.weights = &overlay;
  EXPECT_LT(max_difference(lm.run({tokens, {}}, options).logits, lm.run({tokens, {}}).logits),
            1e-9);
}

TEST(MaskTrainer, AccumulatesBatches) {
  const LanguageModel lm = model_of("gpt2");
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {4, 7}, at::kLong);
  const auto target = ngram_target(bigrams_of(lm, tokens));
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight, at::kDouble);
  MaskTraining options;
  options.learning_rate = 1e-2;
  MaskTrainer whole(lm.transformer(), space, *target, continuous_sparsification(), options);
  options.accumulate = 2;
  MaskTrainer parts(lm.transformer(), space, *target, continuous_sparsification(), options);
  const auto a = whole.step({tokens});
  const auto b = parts.step({tokens.slice(0, 0, 2), tokens.slice(0, 2)});
  EXPECT_NEAR(a.loss.total, b.loss.total, 1e-12);
  for (size_t i = 0; i < whole.logits().size(); ++i) {
    EXPECT_LT(max_difference(whole.logits()[i], parts.logits()[i]), 1e-8) << i;
  }
}

TEST(MaskTrainer, RefusesAnotherTraining) {
  const io::TemporaryFolder folder;
  const LanguageModel lm = model_of("gpt2");
  const auto target = model_target(lm);
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kHead, at::kDouble);
  MaskTraining options;
  MaskTrainer first(lm.transformer(), space, *target, continuous_sparsification(), options);
  first.save(folder / "state.safetensors");
  options.lambda = 3;
  MaskTrainer other(lm.transformer(), space, *target, continuous_sparsification(), options);
  EXPECT_NE(refusal([&] { other.resume(folder / "state.safetensors"); }).find("lambda"),
            std::string::npos);
}

TEST(Subnetwork, SurvivesItsFile) {
  const io::TemporaryFolder folder;
  const LanguageModel lm = model_of("llama_gqa_tied");
  for (const MaskUnit unit : {MaskUnit::kWeight, MaskUnit::kNeuron, MaskUnit::kLayer}) {
    const MaskSpace space(lm.transformer().weights(), lm.config(), unit);
    const Subnetwork mask = random_subnetwork(space, 0.3, 7);
    const auto file = folder / "mask.safetensors";
    save_subnetwork(mask, file, {{"lambda", "10"}});
    const Subnetwork back = load_subnetwork(file, lm.source());
    EXPECT_EQ(back.unit, mask.unit);
    EXPECT_EQ(back.names, mask.names);
    for (size_t i = 0; i < mask.keep.size(); ++i) EXPECT_TRUE(back.keep[i].equal(mask.keep[i]));
    if (unit == MaskUnit::kWeight) {
      EXPECT_LT(std::filesystem::file_size(file), mask.size() / 8 + 4096);
    }
  }
}

TEST(Subnetwork, LargestWeightsAreTheLargest) {
  const LanguageModel lm = model_of("gpt2");
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight);
  const Subnetwork mask = largest_weights(space, 0.05);
  EXPECT_NEAR(static_cast<double>(mask.active()) / static_cast<double>(mask.size()), 0.05, 1e-3);
  double least_kept = 1e9, most_dropped = 0;
  for (size_t i = 0; i < mask.keep.size(); ++i) {
    const at::Tensor size = space.base(i).abs();
    if (mask.keep[i].any().item<bool>()) {
      least_kept = std::min(least_kept, size.masked_select(mask.keep[i]).min().item<double>());
    }
    most_dropped =
        std::max(most_dropped, size.masked_select(mask.keep[i].logical_not()).max().item<double>());
  }
  EXPECT_GT(least_kept, most_dropped);
  const Subnetwork none = largest_weights(space, 0, true);
  EXPECT_EQ(none.active(), 0);
}

TEST(Subnetwork, ShuffledKeepsCounts) {
  const LanguageModel lm = model_of("gpt2");
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight);
  const Subnetwork mask = random_subnetwork(space, 0.1, 3), other = shuffled(mask, 4);
  for (size_t i = 0; i < mask.keep.size(); ++i) {
    EXPECT_EQ(mask.keep[i].sum().item<int64_t>(), other.keep[i].sum().item<int64_t>());
    EXPECT_FALSE(mask.keep[i].equal(other.keep[i]));
  }
  EXPECT_EQ(unite(mask, complement(mask)).active(), mask.size());
  EXPECT_NE(refusal([&] { without(mask, Subnetwork{}); }), "");
}

TEST(SurprisalFile, SurvivesAndReadsLines) {
  const io::TemporaryFolder folder;
  const at::Tensor bits = at::tensor(std::vector<double>{1.5, INFINITY, 0, 7.25}, at::kDouble);
  save_surprisals(bits.view({2, 2}), folder / "s.npy");
  EXPECT_EQ(max_difference(load_surprisals(folder / "s.npy"), bits), 0);
  const at::Tensor rows = read_token_lines(folder.write("ids.txt", "3 1 4\n\n1 5 9\n"));
  EXPECT_TRUE(
      rows.equal(at::tensor(std::vector<int64_t>{3, 1, 4, 1, 5, 9}, at::kLong).view({2, 3})));
  EXPECT_THROW(read_token_lines(folder.write("bad.txt", "3 1\n4\n")), Error);
  EXPECT_THROW(read_token_lines(folder.write("text.txt", "once upon\n")), Error);
}

}  // namespace
}  // namespace weir::testing
