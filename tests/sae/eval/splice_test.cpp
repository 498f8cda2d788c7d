// What must hold of a dictionary in a run, whatever its weights.
#include "weir/sae/splice/splice.h"

#include <cmath>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tests/model/golden_model.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/lm/language_model.h"
#include "weir/sae/eval/core_evaluation.h"
#include "weir/sae/splice/latent_edit.h"

namespace weir::testing {
namespace {

class Splice : public ::testing::Test {
 protected:
  Sae random_sae(int64_t d, const std::string& kind, const std::string& hook,
                 int64_t d_out = 0) const {
    Sae sae;
    sae.config.kind = kind;
    sae.config.d_in = d;
    sae.config.d_out = d_out == 0 ? d : d_out;
    sae.config.d_sae = 3 * d;
    sae.config.k = kind == "topk" ? 4 : 0;
    sae.config.hook = hook;
    sae.weights = {{"W_enc", at::randn({d, 3 * d})},
                   {"b_enc", at::randn({3 * d})},
                   {"W_dec", at::randn({3 * d, sae.config.d_out})},
                   {"b_dec", at::randn({sae.config.d_out})}};
    return sae;
  }
  at::Tensor logits(const std::vector<NamedHook>& hooks) const {
    RunOptions options;
    options.hooks = hooks;
    return lm_.run({tokens_, {}}, options).logits;
  }

  const LanguageModel lm_ = LanguageModel::load(golden_folder("gpt2"));
  const int64_t d_ = lm_.config().d_model;
  const at::Tensor tokens_ = at::randint(lm_.config().d_vocab, {2, 9}, at::kLong);
  const std::string hook_ = "blocks.1.hook_resid_post";
};

TEST_F(Splice, WithItsErrorChangesNothing) {
  for (const char* kind : {"standard", "topk"}) {
    const Sae sae = random_sae(d_, kind, hook_);
    EXPECT_TRUE(logits(splice(sae, {true, {}, {}})).equal(logits({})));
    // Nor does an edit that leaves latents as they are.
    const auto same = [](const at::Tensor& f) {
      return edit_latents(f, {{3, LatentEdit::Op::kScale, 1.0}});
    };
    EXPECT_TRUE(logits(splice(sae, {true, same, {}})).equal(logits({})));
  }
}

TEST_F(Splice, ReconstructionStandsInForTheActivation) {
  const Sae sae = random_sae(d_, "topk", hook_);
  RunOptions by_hand;
  by_hand.hooks = {
      {hook_, [&](const at::Tensor& x, const HookContext&) { return reconstruct(sae, x); }}};
  EXPECT_TRUE(logits(splice(sae)).equal(lm_.run({tokens_, {}}, by_hand).logits));
}

TEST_F(Splice, AnEditMovesAlongTheDecoderRow) {
  const Sae sae = random_sae(d_, "standard", hook_);
  const auto steer = [](const at::Tensor& f) {
    return edit_latents(f, {{5, LatentEdit::Op::kAdd, 2.0}});
  };
  RunOptions by_hand;
  by_hand.hooks = {{hook_, [&](const at::Tensor& x, const HookContext&) {
                      return x + 2.0 * sae.weight("W_dec")[5];
                    }}};
  EXPECT_LT(max_difference(logits(splice(sae, {true, steer, {}})),
                           lm_.run({tokens_, {}}, by_hand).logits),
            1e-4);
}

TEST_F(Splice, MaskedPositionsKeepTheirActivations) {
  const Sae sae = random_sae(d_, "topk", hook_);
  at::Tensor mask = at::zeros({2, 9}, at::kBool);
  mask.slice(1, 5).fill_(true);
  const at::Tensor found = logits(splice(sae, {false, {}, mask})), clean = logits({});
  EXPECT_TRUE(found.slice(1, 0, 5).equal(clean.slice(1, 0, 5)));
  EXPECT_GT(max_difference(found.slice(1, 5), clean.slice(1, 5)), 1e-3);
}

TEST_F(Splice, ATranscoderReadsOnePlaceAndWritesAnother) {
  Sae sae = random_sae(d_, "transcoder", "blocks.1.ln2.hook_normalized");
  sae.config.hook_out = "blocks.1.hook_mlp_out";
  sae.config.apply_b_dec_to_input = false;
  RunOptions plain;
  plain.cache = CacheOptions{};
  plain.cache->names = {sae.config.hook, sae.config.hook_out};
  const auto cache = lm_.run({tokens_, {}}, plain).cache;
  RunOptions by_hand;
  by_hand.hooks = {{sae.config.hook_out, [&](const at::Tensor&, const HookContext&) {
                      return reconstruct(sae, cache[sae.config.hook]);
                    }}};
  EXPECT_LT(max_difference(logits(splice(sae)), lm_.run({tokens_, {}}, by_hand).logits), 1e-5);
  // Whoever looks at the normed stream makes the model compute it apart from what follows.
  EXPECT_LT(max_difference(logits(splice(sae, {true, {}, {}})), logits({})), 1e-5);
}

TEST_F(Splice, RefusesWhatItCannotDo) {
  Sae sae = random_sae(d_, "topk", "");
  EXPECT_NE(refusal([&] { splice(sae); }), "");
  EXPECT_NE(refusal([&] { edit_latents(at::zeros({2, 5}), {{5}}); }), "");
}

TEST(SpliceHook, NamesItsLayerWhateverAFileSays) {
  EXPECT_EQ(layer_of_hook("blocks.12.attn.hook_z"), 12);
  for (const char* other : {"", "hook_embed", "blocks.", "blocks.x.hook_resid_pre"})
    EXPECT_FALSE(layer_of_hook(other)) << other;
}

// A dictionary that reconstructs exactly recovers everything; several at once are what each is
// alone, and batches do not matter.
TEST_F(Splice, CoreEvaluationOfAPerfectDictionary) {
  Sae perfect = random_sae(d_, "standard", hook_);
  const at::Tensor both = at::cat({at::eye(d_), -at::eye(d_), at::zeros({d_, d_})});
  perfect.weights = {{"W_enc", both.t().contiguous()},
                     {"b_enc", at::zeros({3 * d_})},
                     {"W_dec", both},
                     {"b_dec", at::zeros({d_})}};
  const Sae other = random_sae(d_, "topk", hook_);
  CoreOptions options;
  options.batch = 1;
  options.filter.max_norm_multiple = 0;
  const auto found = evaluate_core(lm_, {&perfect, &other}, tokens_, options);
  EXPECT_NEAR(found[0].reconstruction.ev_total, 1, 1e-12);
  EXPECT_NEAR(found[0].by_prompt.at("delta_ce").value(), 0, 1e-6);
  EXPECT_NEAR(found[0].by_prompt.at("kl_sae").value(), 0, 1e-6);
  EXPECT_LE(found[0].counts.share_above(0), 2.0 / 3);  // a third of its rows are 0
  EXPECT_GT(found[0].counts.share_above(0), 0.6);
  options.batch = 2;
  const auto alone = evaluate_core(lm_, {&other}, tokens_, options);
  // The model's float32 products round otherwise in batches of another size.
  const double ev = found[1].reconstruction.ev_total;
  EXPECT_NEAR(alone[0].reconstruction.ev_total, ev, 1e-6 * std::abs(ev));
  EXPECT_NEAR(alone[0].by_prompt.at("ce_sae").value(), found[1].by_prompt.at("ce_sae").value(),
              1e-5);
  EXPECT_EQ(found[0].left_out.positions, 2);
  EXPECT_EQ(found[0].counts.n_tokens(), 16);
}

}  // namespace
}  // namespace weir::testing
