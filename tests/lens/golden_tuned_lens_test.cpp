// The tuned lens against tuned-lens 0.2 and torch.optim in float64 (the golden topic `lens`): 1e-9
// says its README, 2e-6 where rotary tables or RMSNorm stay in float32 in the reference. What a
// training accumulates is given 20 times that.
#include <filesystem>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "tests/io/temporary_folder.h"
#include "tests/model/golden_model.h"
#include "tests/support/golden.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/lens/logit_lens.h"
#include "weir/lens/tuned_lens_training.h"
#include "weir/lm/unembedding.h"

namespace weir {
namespace {

std::vector<std::string> models() {
  std::vector<std::string> names;
  for (const std::string& folder : golden_folders("lens", "params.pt")) {
    names.push_back(folder.substr(std::string("tuned_").size()));
  }
  return names;
}

struct Golden {
  explicit Golden(const std::string& model)
      : name("tuned_" + model),
        tensors(read_all(golden_topic("lens") / (name + ".safetensors"))),
        settings(io::read_json(golden_topic("lens") / (name + ".json"))["settings"]),
        lm(LanguageModel::load(golden_topic("models") / model, {at::kDouble})),
        lens(load_tuned_lens(golden_topic("lens") / name, lm)) {
    batch.tokens = tensors.at("tokens");
  }
  double tolerance() const {
    return lm.config().position == PositionKind::kRotary || lm.config().norm == NormKind::kRmsNorm
               ? 2e-6
               : 1e-9;
  }
  void near(const at::Tensor& found, const std::string& key, double within) const {
    const at::Tensor& expected = tensors.at(key);
    ASSERT_EQ(found.sizes(), expected.sizes()) << key;
    EXPECT_LT((found.to(at::kDouble) - expected.to(at::kDouble)).abs().max().item<double>(), within)
        << key;
  }

  std::string name;
  std::map<std::string, at::Tensor> tensors;
  nlohmann::json settings;
  LanguageModel lm;
  TunedLens lens;
  TokenBatch batch;
};

class GoldenLensTuned : public ::testing::TestWithParam<std::string> {};

TEST(GoldenLensTunedFolder, HasCases) { EXPECT_FALSE(models().empty()) << golden_topic("lens"); }

TEST_P(GoldenLensTuned, LogitsAreTheReferences) {
  const at::NoGradGuard no_grad;
  const Golden golden(GetParam());
  std::vector<at::Tensor> logits;
  for (int64_t layer = 0; layer < golden.lens.n_layers(); ++layer) {
    const at::Tensor x = golden.lens.translate(golden.tensors.at("hidden_states")[layer], layer);
    logits.push_back(golden.lm.transformer().unembed(
        final_normed(golden.lm.config(), golden.lm.transformer().weights(), x), false));
  }
  const at::Tensor all = at::stack(logits);
  golden.near(all, "lens_logits", 1e-4);  // Stored in float32.
  const at::Tensor log_p = all.log_softmax(-1);
  golden.near(-(log_p.exp() * log_p).sum(-1), "lens_entropy", 20 * golden.tolerance());
}

TEST_P(GoldenLensTuned, LossesAndGradientsAreTheReferences) {
  const Golden golden(GetParam());
  for (const auto& [key, loss, shift] :
       {std::tuple("kl.shift0", LensLoss::kKl, 0), std::tuple("kl.shift1", LensLoss::kKl, 1),
        std::tuple("ce.shift1", LensLoss::kCe, 1)}) {
    const LensLosses found =
        tuned_lens_losses(golden.lm, golden.lens, golden.batch, {loss, shift, true, true});
    const std::string of = key;
    golden.near(found.loss, of + ".loss", 20 * golden.tolerance());
    golden.near(found.weight, of + ".grad_weight", 20 * golden.tolerance());
    golden.near(found.bias, of + ".grad_bias", 20 * golden.tolerance());
  }
}

TEST_P(GoldenLensTuned, ZeroTranslatorsAreTheLogitLens) {
  const Golden golden(GetParam());
  const TunedLens zero = zero_tuned_lens(golden.lm);
  golden.near(tuned_lens_losses(golden.lm, zero, golden.batch, {}).loss, "logit_lens.kl",
              20 * golden.tolerance());
  const std::vector<int64_t> tokens = {5, 6, 7, 8};
  LensOptions options;
  const LensResult plain = logit_lens(golden.lm, tokens, options);
  options.tuned = &zero;
  const LensResult tuned = logit_lens(golden.lm, tokens, options);
  EXPECT_TRUE(plain.entropy.equal(tuned.entropy));
  options.tuned = &golden.lens;
  const LensResult learnt = logit_lens(golden.lm, tokens, options);
  EXPECT_FALSE(plain.entropy[0].allclose(learnt.entropy[0]));
  EXPECT_TRUE(plain.entropy[-1].equal(learnt.entropy[-1])) << "the last stream has no translator";
  // The reading of one prompt is that of the losses.
  const LensLosses losses = tuned_lens_losses(golden.lm, golden.lens, left_pad({tokens}), {});
  EXPECT_LT((learnt.kl_to_final.mean(1).slice(0, 0, -1).to(at::kDouble) - losses.loss)
                .abs()
                .max()
                .item<double>(),
            1e-4);
}

TEST_P(GoldenLensTuned, TransferIsTheReferences) {
  const Golden golden(GetParam());
  golden.near(tuned_lens_transfer(golden.lm, golden.lens, golden.batch), "transfer_kl",
              20 * golden.tolerance());
}

TEST_P(GoldenLensTuned, TrainingRunsAreTheReferences) {
  const Golden golden(GetParam());
  const at::Tensor batches = golden.tensors.at("batches");
  for (const std::string run : {"sgd", "adam", "adam_warm", "sgd_ce", "sgd_bias_only"}) {
    TunedLensTraining options;
    options.steps = batches.size(0);
    options.adam = run.rfind("adam", 0) == 0;
    options.rate_scale = golden.settings[options.adam ? "adam_scale" : "sgd_scale"].get<double>();
    options.momentum = golden.settings["momentum"].get<double>();
    options.weight_decay = golden.settings["weight_decay"].get<double>();
    options.clip = golden.settings["clip"].get<double>();
    options.bias_only = run == "sgd_bias_only";
    if (run == "adam_warm") {
      options.warmup = golden.settings["adam_warm_steps"].get<int64_t>();
      options.decay_end = options.steps - options.warmup;
    }
    if (run == "sgd_ce") {
      options.loss = LensLoss::kCe;
      options.shift = 1;
    }
    TunedLensTrainer trainer(golden.lm, zero_tuned_lens(golden.lm), options);
    std::vector<at::Tensor> losses;
    std::vector<double> norms, rates;
    for (int64_t step = 0; step < options.steps; ++step) {
      TokenBatch batch;
      batch.tokens = batches[step];
      const TunedLensTrainer::Step found = trainer.step(batch);
      losses.push_back(found.loss);
      norms.push_back(found.gradient_norm);
      rates.push_back(found.learning_rate);
    }
    // Adam divides by the size of gradients: where these are small, so are differences made large.
    const double within = (options.adam ? 100 : 20) * golden.tolerance();
    golden.near(at::tensor(rates, at::kDouble), run + ".lr", 1e-12);
    golden.near(at::stack(losses), run + ".loss", within);
    golden.near(at::tensor(norms, at::kDouble), run + ".grad_norm", within);
    golden.near(trainer.lens().weight, run + ".weight", within);
    golden.near(trainer.lens().bias, run + ".bias", within);
  }
}

TEST_P(GoldenLensTuned, WhatIsSavedIsLoaded) {
  const Golden golden(GetParam());
  const io::TemporaryFolder folder;
  save_tuned_lens(golden.lens, folder.path() / "lens");
  const TunedLens again = load_tuned_lens(folder.path() / "lens", golden.lm);
  EXPECT_TRUE(again.weight.equal(golden.lens.weight));
  EXPECT_TRUE(again.bias.equal(golden.lens.bias));
  EXPECT_EQ(again.unembed_hash, golden.lens.unembed_hash);
  EXPECT_EQ(again.base_model, golden.lens.base_model);
}

TEST_P(GoldenLensTuned, ATrainingGoesOnWhereItStopped) {
  const Golden golden(GetParam());
  const at::Tensor rows = golden.tensors.at("batches").flatten(0, 1);
  TunedLensTraining options;
  options.steps = 6;
  options.adam = true;
  const auto run = [&](TunedLensTrainer* trainer, int64_t until) {
    while (trainer->steps_done() < until) {
      trainer->step(rows_of_step(rows, trainer->steps_done(), 2, 1));
    }
  };
  TunedLensTrainer whole(golden.lm, zero_tuned_lens(golden.lm), options);
  run(&whole, 6);
  const io::TemporaryFolder folder;
  {
    TunedLensTrainer stopped(golden.lm, zero_tuned_lens(golden.lm), options);
    run(&stopped, 3);
    stopped.save(folder.path() / "lens");
  }
  TunedLensTrainer resumed(golden.lm, zero_tuned_lens(golden.lm), options);
  resumed.resume(folder.path() / "lens");
  EXPECT_EQ(resumed.steps_done(), 3);
  run(&resumed, 6);
  EXPECT_TRUE(resumed.lens().weight.equal(whole.lens().weight));
  options.adam = false;
  TunedLensTrainer other(golden.lm, zero_tuned_lens(golden.lm), options);
  EXPECT_THROW(other.resume(folder.path() / "lens"), Error) << "other settings";
}

TEST_P(GoldenLensTuned, PadsOnTheLeftChangeNoLoss) {
  const Golden golden(GetParam());
  const std::vector<int64_t> ids = {5, 6, 7, 8, 9};
  TokenBatch padded = left_pad({ids});
  padded.tokens = at::cat({at::full({1, 2}, 3, at::kLong), padded.tokens}, 1);
  padded.attention_mask = at::ones(padded.tokens.sizes(), at::kBool);
  padded.attention_mask.slice(1, 0, 2).fill_(false);
  for (const int64_t shift : {0, 1}) {
    const LensLossOptions options{LensLoss::kKl, shift};
    const LensLosses alone = tuned_lens_losses(golden.lm, golden.lens, left_pad({ids}), options);
    const LensLosses found = tuned_lens_losses(golden.lm, golden.lens, padded, options);
    EXPECT_EQ(found.n_tokens, alone.n_tokens);
    EXPECT_LT((found.loss - alone.loss).abs().max().item<double>(), 1e-9);
  }
}

TEST_P(GoldenLensTuned, ALensOfAnotherModelIsRefused) {
  const Golden golden(GetParam());
  for (const std::string& other : models()) {
    if (other == GetParam()) continue;
    EXPECT_THROW(load_tuned_lens(golden_topic("lens") / ("tuned_" + other), golden.lm), Error);
  }
}

TEST(TunedLens, EachEpochGoesThroughAllRows) {
  const at::Tensor rows = at::arange(7).unsqueeze(1);
  std::vector<at::Tensor> seen;
  for (int64_t step = 0; step < 7; ++step) seen.push_back(rows_of_step(rows, step, 2, 9).tokens);
  const at::Tensor all = at::cat(seen).squeeze(1);
  for (const auto& epoch : {all.slice(0, 0, 7), all.slice(0, 7, 14)}) {
    EXPECT_TRUE(std::get<0>(epoch.sort()).equal(at::arange(7)));
  }
  EXPECT_FALSE(all.slice(0, 0, 7).equal(all.slice(0, 7, 14)));
  EXPECT_EQ(token_rows({1, 2, 3, 4, 5}, 2).size(0), 2);
  EXPECT_THROW(token_rows({1}, 2), Error);
}

INSTANTIATE_TEST_SUITE_P(Models, GoldenLensTuned, ::testing::ValuesIn(models()),
                         [](const auto& model) { return case_name(model.param); });

}  // namespace
}  // namespace weir
