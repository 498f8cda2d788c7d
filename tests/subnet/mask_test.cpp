// Masks of every unit and method on small models of several families, in float64: gradients
// against differences, parts that must sum to the whole.
#include <cmath>
#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/io/safetensors.h"
#include "weir/subnet/controls.h"
#include "weir/subnet/find.h"
#include "weir/subnet/input_means.h"
#include "weir/subnet/mask_training.h"
#include "weir/subnet/ngram_counter.h"
#include "weir/subnet/surprisal_file.h"
#include "weir/subnet/token_classes.h"
#include "weir/tensor/convert.h"

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

TEST(TokenClasses, SumToTheWhole) {
  EXPECT_EQ(token_class("␣the"), "word");
  EXPECT_EQ(token_class("ing"), "rest of a word");
  EXPECT_EQ(token_class("␣12"), "number");
  EXPECT_EQ(token_class(","), "punctuation");
  EXPECT_EQ(token_class("␣"), "other");
  EXPECT_EQ(token_class("<|endoftext|>"), "other");
  const LanguageModel lm = model_of("gpt2");
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {3, 9}, at::kLong);
  const auto target = model_target(lm);
  const Evaluation full = evaluate(lm.transformer(), lm.transformer().weights(), tokens, *target);
  const auto classes = surprisal_by_class(
      tokens, full, full, [](int64_t id) { return std::string(id % 2 == 0 ? "␣a" : "1"); });
  ASSERT_EQ(classes.size(), 2U);
  double bits = 0;
  for (const ClassSurprisal& of : classes) {
    EXPECT_NEAR(of.full, of.target, 1e-9);  // The target is the model.
    bits += of.full * static_cast<double>(of.n);
  }
  EXPECT_NEAR(bits, full.surprisal.sum().item<double>(), 1e-9);
}

// A corpus in each of its forms has the same rows; an order of an epoch has each once.
TEST(Corpus, ReadsEveryForm) {
  const io::TemporaryFolder folder;
  const at::Tensor rows = at::randint(50, {6, 5}, at::kLong);
  io::write_safetensors(folder / "ids.safetensors", {to_view("train", rows)});
  std::string lines;
  for (int64_t i = 0; i < 6; ++i) {
    for (int64_t t = 0; t < 5; ++t) lines += std::to_string(rows[i][t].item<int64_t>()) + " ";
    lines += "\n";
  }
  const std::string text = folder.write("ids.txt", lines).string();
  for (const std::string& place : {(folder / "ids.safetensors").string() + ":train", text}) {
    const Corpus corpus = Corpus::open(place, nullptr, 5);
    EXPECT_EQ(corpus.n_tokens(), 30);
    EXPECT_TRUE(corpus.rows(0, 6).equal(rows)) << place;
    EXPECT_TRUE(corpus.part(2, 5).rows(1, 2).equal(rows.slice(0, 3, 5)));
  }
  const Corpus corpus = Corpus::of(rows);
  const at::Tensor epoch = at::cat({corpus.batch(0, 3, 9), corpus.batch(1, 3, 9)});
  EXPECT_TRUE(epoch.sum(0).equal(rows.sum(0)));
  EXPECT_TRUE(corpus.batch(1, 3, 9).equal(corpus.batch(1, 3, 9)));
  EXPECT_THROW(Corpus::open(folder.write("a.txt", "once upon a time").string(), nullptr, 5), Error);
}

// What is found again equals what was found; a search that was cut goes on to the same masks.
TEST(FindSubnetwork, ResumesToTheSameMask) {
  const io::TemporaryFolder folder;
  const LanguageModel lm = model_of("gpt2");
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {12, 7}, at::kLong);
  const auto target = ngram_target(bigrams_of(lm, tokens));
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight, at::kDouble);
  FindOptions options;
  options.training.max_steps = 6;
  options.training.learning_rate = 0.05;
  options.training.growth = 1.1;
  options.batch = 3;
  options.attempts = 1;
  const Corpus corpus = Corpus::of(tokens);
  const auto find = [&](const std::string& name, bool resume) {
    return find_subnetwork(lm, space, *target, "bigram", corpus, tokens.slice(0, 0, 2), options,
                           folder / name, resume);
  };
  const FoundSubnetwork whole = find("whole", false);
  EXPECT_EQ(whole.log.size(), 6U);
  // The same training, stopped after three steps as an interrupt would.
  MaskTrainer trainer(lm.transformer(), space, *target, continuous_sparsification(),
                      options.training);
  std::filesystem::create_directories(folder / "cut");
  EXPECT_THROW(train_masks(
                   trainer, [&](int64_t i) { return corpus.batch(i, 3, 0); },
                   [&](const MaskTrainer::Step& step) {
                     if (step.step == 3) fail(ErrorCode::kInterrupted, "stopped");
                   },
                   folder / "cut/training.safetensors"),
               Error);
  const FoundSubnetwork resumed = find("cut", true);
  for (size_t i = 0; i < whole.mask.keep.size(); ++i) {
    EXPECT_TRUE(whole.mask.keep[i].equal(resumed.mask.keep[i])) << i;
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "cut/training.safetensors"));
  const FoundSubnetwork again = find("whole", true);
  EXPECT_EQ(again.log.size(), 6U);
  EXPECT_EQ(again.mask.active(), whole.mask.active());
  EXPECT_EQ(again.held_out.kl, whole.held_out.kl);
  options.training.lambda = INFINITY;
  EXPECT_EQ(find("none", false).mask.active(), 0);
}

// Random blocks are other blocks under the same tables; a map of the embeddings is what it says.
TEST(Controls, RandomBlocksAndMaps) {
  const LanguageModel lm = model_of("gpt2");
  const LanguageModel other(with_random_blocks(lm.source(), 3), std::nullopt, {at::kDouble});
  const Weights &a = lm.transformer().weights(), &b = other.transformer().weights();
  EXPECT_EQ(max_difference(a.W_E.dense(at::kDouble), b.W_E.dense(at::kDouble)), 0);
  EXPECT_GT(max_difference(a.blocks[0].mlp.W_in.dense(at::kDouble),
                           b.blocks[0].mlp.W_in.dense(at::kDouble)),
            1e-3);
  const at::Tensor tokens = at::randint(3, lm.config().d_vocab, {2, 6}, at::kLong);
  const int64_t d = lm.config().d_model;
  LinearMap identity;
  identity.coef = at::eye(d, at::kDouble);
  identity.intercept = at::zeros({d}, at::kDouble);
  const auto target = model_target(lm);
  const MaskSpace space(a, lm.config(), MaskUnit::kWeight, at::kDouble);
  const Evaluation mapped =
      evaluate_stream(lm.transformer(), mapped_embeddings(lm, identity), tokens, *target);
  EXPECT_TRUE(mapped.surprisal.isfinite().all().item<bool>());
  // Without attention and MLP, and with their biases at 0, the stream is the embedding.
  Weights empty = applied(space, full_subnetwork(space, false));
  for (BlockWeights& block : empty.blocks) {
    block.attn.b_O = at::zeros_like(block.attn.b_O);
    block.mlp.b_out = at::zeros_like(block.mlp.b_out);
    block.attn.b_V = at::zeros_like(block.attn.b_V);
  }
  EXPECT_NEAR(evaluate(lm.transformer(), empty, tokens, *target).kl, mapped.kl, 1e-9);
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
