// A planted truth: rows of 16 tokens from a known Markov chain, then the same 16 again. A tiny
// model learns both rules, the chain and the repetition. Trained against bigrams, a mask must keep
// the chain in few weights and drop the repetition; what is left without it must have lost the
// chain.
#include <cmath>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/model/initial_weights.h"
#include "weir/pretrain/trainer.h"
#include "weir/subnet/ablations.h"
#include "weir/subnet/mask_training.h"
#include "weir/subnet/ngram_counter.h"
#include "weir/train/adam.h"

namespace weir::testing {
namespace {

constexpr int64_t kVocabulary = 24, kHalf = 16, kBatch = 32;

/// [V, V]: rows of softmax(2 normal).
at::Tensor chain() {
  at::manual_seed(11);
  return (at::randn({kVocabulary, kVocabulary}, at::kDouble) * 2).softmax(1);
}

/// int64 [n, 2 kHalf]
at::Tensor rows_of(const at::Tensor& chain, int64_t n) {
  std::vector<at::Tensor> tokens = {at::randint(kVocabulary, {n}, at::kLong)};
  while (static_cast<int64_t>(tokens.size()) < kHalf) {
    tokens.push_back(at::multinomial(chain.index_select(0, tokens.back()), 1).squeeze(1));
  }
  const at::Tensor half = at::stack(tokens, 1);
  return at::cat({half, half}, 1);
}

LoadedModel trained_model(const at::Tensor& chain, int64_t steps) {
  LoadedModel model = initial_weights({{"model_type", "gpt2"},
                                       {"n_embd", 64},
                                       {"n_layer", 2},
                                       {"n_head", 2},
                                       {"n_positions", 2 * kHalf},
                                       {"vocab_size", kVocabulary}},
                                      3);
  LanguageTrainer trainer(&model, {"*"}, {});
  AdamOptions adam;
  adam.decoupled = true;
  trainer.set_optimizer(std::make_unique<Adam>(trainer.leaves(), adam));
  for (int64_t step = 0; step < steps; ++step) {
    data::Batch batch;
    batch.ids = rows_of(chain, kBatch);
    batch.labels = batch.ids.clone();
    batch.labels.select(1, 0).fill_(-100);
    const double left = 1 - static_cast<double>(step) / static_cast<double>(steps);
    trainer.update({batch}, 4e-3 * std::min(1.0, 2 * left));
  }
  for (BlockWeights& block : model.weights.blocks) {
    for (Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O,
                           &block.mlp.W_in, &block.mlp.W_out}) {
      *matrix = Matrix(matrix->storage().detach());
    }
  }
  return model;
}

/// The chain itself as a table: counts that are its shares of a million.
NgramModel table_of(const at::Tensor& chain) {
  NgramLevel single, pairs;
  single.context = at::zeros({1}, at::kLong);
  single.start = at::tensor(std::vector<int64_t>{0, kVocabulary}, at::kLong);
  single.id = at::arange(kVocabulary, at::kInt);
  single.count = at::ones({kVocabulary}, at::kInt);
  single.total = at::full({1}, static_cast<double>(kVocabulary), at::kDouble);
  pairs.order = 2;
  pairs.context = at::arange(kVocabulary, at::kLong);
  pairs.start = at::arange(0, kVocabulary * kVocabulary + 1, kVocabulary, at::kLong);
  pairs.id = at::arange(kVocabulary, at::kInt).repeat({kVocabulary});
  pairs.count = (chain * 1e6).round().to(at::kInt).clamp_min(1).flatten();
  pairs.total = pairs.count.view({kVocabulary, kVocabulary}).sum(1).to(at::kDouble);
  return {kVocabulary, {std::move(single), std::move(pairs)}};
}

/// Threads of so small products would only wait for each other.
struct OneThread {
  OneThread() { at::set_num_threads(1); }
  ~OneThread() { at::set_num_threads(before); }
  int before = at::get_num_threads();
};

class PlantedTruth : public ::testing::Test {
 protected:
  PlantedTruth()
      : truth_(chain()),
        lm_(trained_model(truth_, 400), std::nullopt),
        held_(rows_of(truth_, 64)),
        target_(ngram_target(table_of(truth_))),
        space_(lm_.transformer().weights(), lm_.config(), MaskUnit::kWeight) {}

  Subnetwork found(double lambda) const {
    MaskTraining options;
    options.lambda = lambda;
    options.learning_rate = 2e-2;
    options.growth = std::pow(1000.0, 1.0 / 300);
    options.max_steps = 300;
    MaskTrainer trainer(lm_.transformer(), space_, *target_, continuous_sparsification(), options);
    EXPECT_TRUE(train_masks(
        trainer, [&](int64_t) { return rows_of(truth_, kBatch); }, nullptr));
    return trainer.subnetwork();
  }
  /// By name; `half`: only the first halves, where nothing repeats yet.
  std::map<std::string, Evaluation> ablated(const Subnetwork& mask, bool half) const {
    std::map<std::string, Evaluation> all;
    const at::Tensor rows = half ? held_.slice(1, 0, kHalf) : held_;
    for (NamedEvaluation& entry : ablations(lm_.transformer(), space_, mask, rows, *target_, 5)) {
      all.emplace(entry.name, std::move(entry.of));
    }
    return all;
  }
  /// Mean surprisal of the second halves, nats.
  static double of_repetition(const Evaluation& of) {
    return of.surprisal.slice(1, kHalf).mean().item<double>() * std::log(2.0);
  }

  OneThread one_thread_;
  at::Tensor truth_;
  LanguageModel lm_;
  at::Tensor held_;
  std::unique_ptr<TokenTarget> target_;
  MaskSpace space_;
};

// Thresholds lie about halfway between what was found (in brackets) and what would be a failure.
TEST_F(PlantedTruth, MaskRecoversTheChain) {
  const Subnetwork few = found(1);
  const auto sparse = ablated(few, false);
  EXPECT_LT(few.active(), few.size() / 20);                  // 3 %
  EXPECT_GT(sparse.at("subnetwork").dropped.pearson, 0.98);  // .989
  EXPECT_LT(sparse.at("full").dropped.pearson, 0.6);         // .35: it repeats
  EXPECT_LT(sparse.at("shuffled").dropped.pearson, 0.6);     // .1

  // With less pressure the mask holds all that makes the chain, so that the rest has lost it ...
  const Subnetwork whole = found(0.06);
  const auto first = ablated(whole, true), both = ablated(whole, false);
  EXPECT_GT(both.at("subnetwork").dropped.pearson, 0.98);          // .992
  EXPECT_LT(whole.active(), whole.size() / 4);                     // 16 %
  EXPECT_GT(first.at("full").dropped.pearson, 0.95);               // .98
  EXPECT_LT(first.at("without").dropped.pearson, 0.7);             // .4
  EXPECT_GT(first.at("without shuffled").dropped.pearson, 0.85);   // .96
  EXPECT_GT(first.at("without").loss, first.at("full").loss + 1);  // 3.9 against 2.1
  // ... but not the repetition, which the mask has lost.
  EXPECT_LT(of_repetition(both.at("full")), 0.3);
  EXPECT_LT(of_repetition(both.at("without")), of_repetition(both.at("subnetwork")) - 0.7);
  EXPECT_GT(of_repetition(both.at("subnetwork")), 1.8);
}

}  // namespace
}  // namespace weir::testing
