// Probes and removal on texts: what must hold, on planted latents and on a small real model.
#include "tests/model/golden_model.h"
#include "tests/support/max_difference.h"
#include "tests/support/refusal.h"
#include "weir/sae/eval/first_letter.h"
#include "weir/sae/eval/suite.h"

namespace weir::testing {
namespace {

/// An identity on d coordinates: latent j is coordinate j where it is positive.
Sae identity_sae(int64_t d, const std::string& hook = "blocks.1.hook_resid_post") {
  Sae sae;
  sae.config.d_in = sae.config.d_out = sae.config.d_sae = d;
  sae.config.hook = hook;
  sae.weights = {{"W_enc", at::eye(d)},
                 {"b_enc", at::zeros({d})},
                 {"W_dec", at::eye(d)},
                 {"b_dec", at::zeros({d})}};
  return sae;
}

/// Texts of three labels; latent j of label j is on, the others are noise.
struct Planted {
  LabelledTexts texts;
  at::Tensor latents;
};
Planted planted(int64_t n_each = 60, int64_t n_latents = 12) {
  Planted result;
  std::vector<int64_t> label;
  for (int64_t i = 0; i < 3 * n_each; ++i) {
    label.push_back(i % 3);
    result.texts.text.push_back("text");
    result.texts.label.push_back(std::string(1, static_cast<char>('a' + i % 3)));
    result.texts.is_test.push_back(i % 5 == 4);
  }
  result.latents = at::rand({3 * n_each, n_latents});
  for (int64_t i = 0; i < 3 * n_each; ++i) result.latents[i][label[static_cast<size_t>(i)]] += 2;
  return result;
}

TEST(LabelledTextsTest, ReadsLinesAndSaysWhereTheyAreWrong) {
  const std::string lines =
      "{\"text\": \"x\", \"label\": 1, \"split\": \"train\"}\n\n"
      "{\"text\": \"y\", \"label\": 2, \"split\": \"train\"}\n"
      "{\"text\": \"z\", \"label\": 1, \"split\": \"test\"}\n"
      "{\"text\": \"w\", \"label\": 2, \"split\": \"test\"}\n";
  const LabelledTexts texts = parse_labelled_texts(lines, "some");
  EXPECT_EQ(texts.labels(), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(texts.is_test, (std::vector<bool>{false, false, true, true}));
  try {
    parse_labelled_texts(lines + "{\"text\": \"v\"}\n", "some");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCorruptData);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("line 6"));
  }
  EXPECT_THAT(refusal([] { parse_labelled_texts("{\"text\": \"x\", \"label\": 1}\n", "some"); }),
              ::testing::HasSubstr("two labels"));
}

TEST(LabelledTextsTest, DrawsASplitOfEachLabel) {
  std::string lines;
  for (int i = 0; i < 50; ++i) {
    lines += "{\"body\": \"x\", \"kind\": \"" + std::string(i % 2 ? "a" : "b") + "\"}\n";
  }
  LabelledTextsOptions options;
  options.text_field = "body";
  options.label_field = "kind";
  const LabelledTexts texts = parse_labelled_texts(lines, "some", options);
  EXPECT_EQ(std::count(texts.is_test.begin(), texts.is_test.end(), true), 10);
  options.most_per_label = 3;
  EXPECT_EQ(parse_labelled_texts(lines, "some", options).size(), 12U);  // 2 labels, 2 parts
}

TEST(LabelledTextsTest, PassagesThatComeWithWeir) {
  const LabelledTexts texts = subject_passages();
  EXPECT_EQ(texts.size(), 720U);
  EXPECT_EQ(texts.labels().size(), 6U);
  EXPECT_EQ(std::count(texts.is_test.begin(), texts.is_test.end(), true), 240);
}

TEST(TextProbes, OneAgainstTheRestIsBalancedAndSharesNoRow) {
  const Planted data = planted();
  const OneAgainstRest rows = one_against_rest(data.texts, "b", 3);
  EXPECT_EQ(rows.y_train.sum().item<int64_t>() * 2, rows.y_train.numel());
  EXPECT_EQ(rows.y_test.sum().item<int64_t>() * 2, rows.y_test.numel());
  const at::Tensor both = at::cat({rows.train, rows.test});
  EXPECT_EQ(std::get<0>(at::_unique2(both)).numel(), both.numel());
  for (int64_t i = 0; i < rows.train.numel(); ++i) {
    const auto row = static_cast<size_t>(rows.train[i].item<int64_t>());
    EXPECT_EQ(data.texts.label[row] == "b", rows.y_train[i].item<int64_t>() == 1);
    EXPECT_FALSE(data.texts.is_test[row]);
  }
}

TEST(TextProbes, OneLatentOfALabelIsFound) {
  const Planted data = planted();
  SparseProbingOptions options;
  options.ks = {1, 2};
  const SparseProbingResult found = sparse_probing(data.texts, data.latents, data.latents, options);
  EXPECT_EQ(mean_accuracy(found.sae, 1), 1);
  EXPECT_GT(found.tuned_sae.at("a").at(1).auc, 0.999);
  const SparseProbingResult none =
      sparse_probing(data.texts, data.latents, at::rand_like(data.latents), options);
  EXPECT_LT(mean_accuracy(none.sae, 1), 0.75);
}

/// Probes that begin at 0, not at the random weights that upstream's small steps hardly leave.
RemovalOptions from_zero(int64_t d) {
  RemovalOptions options;
  options.probe.weight = at::zeros({d});
  options.probe.bias = at::zeros({1});
  options.probe.learning_rate = 2e-2;
  return options;
}

TEST(TextRemoval, TakesAwayTheLabel) {
  const Planted data = planted(300);
  const Sae sae = identity_sae(data.latents.size(1));
  RemovalOptions options = from_zero(12);
  options.ns = {1};
  const auto scores = tpp(data.texts, sae, data.latents, data.latents, options);
  // Its own probe falls towards chance; the others lose what told them of the label's absence.
  EXPECT_GT(scores.at(1).intended, 0.25);
  EXPECT_GT(scores.at(1).total(), 0.1);
}

// The short way (pooled) is the long way: token by token, with the error kept.
TEST(TextRemoval, WithoutLatentsIsWhatTokensGive) {
  Sae sae = identity_sae(6);
  sae.config.kind = "topk";
  sae.config.k = 4;
  sae.config.d_sae = 20;
  sae.weights = {{"W_enc", at::randn({6, 20})},
                 {"b_enc", at::randn({20})},
                 {"W_dec", at::randn({20, 6})},
                 {"b_dec", at::randn({6})}};
  sae.config.scale = 1.7;
  const at::Tensor x = at::randn({5, 7, 6}), removed = at::rand({20}) < 0.4;
  const SaeInput input = read_sae_input(sae, x);
  const at::Tensor latents = encode(sae, input);
  const at::Tensor left = at::where(removed, 0.0, latents);
  const at::Tensor tokens = x - decode(sae, latents, input) + decode(sae, left, input);
  EXPECT_LT(
      max_difference(without_latents(sae, x.mean(1), latents.mean(1), removed), tokens.mean(1)),
      1e-5);
  sae.config.normalisation = SaeNormalisation::kLayerNorm;
  EXPECT_ANY_THROW(without_latents(sae, x.mean(1), latents.mean(1), removed));
}

TEST(TextRemoval, SpuriousAttributes) {
  LabelledTexts texts;
  constexpr int64_t kTexts = 2000;  // the probe takes small steps
  at::Tensor x = at::rand({kTexts, 8});
  for (int64_t i = 0; i < kTexts; ++i) {
    texts.text.push_back("text");
    texts.label.push_back(i % 2 == 0 ? "p" : "q");
    texts.attribute.push_back(i / 2 % 2 == 0 ? "m" : "n");
    texts.is_test.push_back(i / 4 % 4 == 3);
    x[i][i % 2] += 2;  // latents 0 and 1: the label; 2 and 3: the attribute
    x[i][2 + i / 2 % 2] += 1.5;
  }
  RemovalOptions options = from_zero(8);
  options.ns = {2};
  const ScrResult found = scr(texts, identity_sae(8), x, x, options).at(2);
  // Without the label's latents the probe tells the attribute, and the other way round.
  EXPECT_GT(found.direction_1, 0.8);
  EXPECT_GT(found.direction_2, 0.8);
}

/// A real model of 260,000 parameters with its tokenizer, kept in the repository.
class OnStories : public ::testing::Test {
 protected:
  const LanguageModel lm_ = LanguageModel::load(golden_topic("llama2c") / "stories260K.bin");
  const std::vector<std::string> texts_ = {"Once upon a time there was a little dog.", "The sun",
                                           "Tom and Mia went to the big park to play with a ball."};
};

TEST_F(OnStories, PoolingDoesNotDependOnBatches) {
  const Sae sae = identity_sae(lm_.config().d_model);
  PoolOptions one, all;
  one.batch = 1;
  one.filter.max_norm_multiple = all.filter.max_norm_multiple = 0;
  const PooledTexts a = pool_texts(lm_, {&sae}, texts_, one);
  const PooledTexts b = pool_texts(lm_, {&sae}, texts_, all);
  EXPECT_LT(max_difference(a.x, b.x), 1e-4);
  EXPECT_LT(max_difference(a.latents[0], b.latents[0]), 1e-4);
  EXPECT_EQ(b.left_out.positions, 3);
  // By hand: the mean over all tokens but the first.
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {sae.config.hook};
  const at::Tensor x = lm_.run(lm_.encode(texts_[1]), run).cache[sae.config.hook];
  EXPECT_LT(max_difference(b.x[1], x[0].slice(0, 1).mean(0)), 1e-5);
}

TEST_F(OnStories, SuiteGivesADocumentForEachEvaluation) {
  const Sae sae = identity_sae(lm_.config().d_model);
  std::string lines;
  for (int i = 0; i < 60; ++i) {
    lines += "{\"text\": \"" + std::string(i % 2 ? "The dog ran to the park" : "She was very sad") +
             std::string(static_cast<size_t>(i % 7), '.') + "\", \"label\": \"" +
             (i % 2 ? "dog" : "sad") + "\"}\n";
  }
  const LabelledTexts texts = parse_labelled_texts(lines, "two");
  SuiteOptions options;
  options.evaluations = {"core", "sparse_probing", "sparse_probing_sae_probes", "tpp", "mdl"};
  options.probing.ks = {1, 2};
  options.removal.ns = {2};
  const at::Tensor tokens = at::randint(3, lm_.config().d_vocab, {4, 16}, at::kLong);
  const auto results = run_suite(lm_, {&sae}, tokens, texts, options);
  const auto documents =
      suite_documents(results[0], sae, {"release", "id", "stories"}, texts, "random", options);
  ASSERT_EQ(documents.size(), options.evaluations.size());
  for (size_t i = 0; i < documents.size(); ++i) {
    EXPECT_EQ(documents[i]["eval_type_id"], options.evaluations[i]);
    EXPECT_EQ(documents[i]["sae_cfg_dict"]["hook_name"], sae.config.hook);
  }
  EXPECT_GT(documents[1]["eval_result_metrics"]["sae"]["sae_top_1_test_accuracy"].get<double>(),
            0.9);
  EXPECT_TRUE(documents[1]["eval_result_metrics"]["llm"].contains("llm_test_accuracy"));
  EXPECT_TRUE(documents[2]["eval_result_metrics"]["sae"].contains("sae_top_2_test_auc"));
  EXPECT_TRUE(
      documents[3]["eval_result_metrics"]["tpp_metrics"].contains("tpp_threshold_2_total_metric"));
  EXPECT_FALSE(headline(results[0]).empty());
}

TEST_F(OnStories, AbsorptionOfFirstLetters) {
  const Sae sae = identity_sae(lm_.config().d_model);
  FirstLetterOptions options;
  options.n_words = 60;
  options.n_examples = 3;
  const FirstLetterResult found = first_letter_absorption(lm_, sae, options);
  EXPECT_EQ(found.n_words, 60);
  for (const LetterAbsorption& letter : found.letters) {
    EXPECT_GE(letter.mean_fraction(), 0);
    EXPECT_LE(letter.mean_fraction(), 1);
    EXPECT_GE(letter.n_split, 1);
  }
}

}  // namespace
}  // namespace weir::testing
