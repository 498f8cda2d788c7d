// Metrics of latents against SAEBench 0.6.0 (golden topic sae-metrics): description length, SCR and
// TPP, absorption, RAVEL. Latents are computed from the stored weights in float32.
#include "tests/sae/eval/golden_metrics.h"
#include "tests/support/max_difference.h"
#include "weir/sae/eval/absorption.h"
#include "weir/sae/eval/concept_removal.h"
#include "weir/sae/eval/description_length.h"
#include "weir/sae/eval/disentanglement.h"
#include "weir/sae/eval/logistic.h"

namespace weir::testing {
namespace {

TEST(GoldenSaeMetricsDescriptionLength, BitsAndErrors) {
  const GoldenMetrics golden = read_metrics("mdl");
  const Sae sae = golden.sae();
  const at::Tensor x = golden.tensor("x"), latents = golden.tensor("features");
  EXPECT_LT(max_difference(encode(sae, x), latents), 1e-5);
  const at::Tensor largest = std::get<0>(latents.max(0));
  std::vector<DescriptionLength> results;
  for (const auto& expected : golden.notes["results"]) {
    const BinRule rule{expected["num_bins"].get<int64_t>(), 0};
    DescriptionLength found{rule.n_bins, description_length(latents, largest, rule), 0, false};
    found.error = scaled_rms(decode(sae, quantise(latents, largest, rule)), x);
    found.within_threshold = found.error < golden.notes["mse_threshold"].get<double>();
    expect_close(found.bits, expected["description_length"], "bits");
    expect_close(found.error, expected["mse"], "error");
    EXPECT_EQ(found.within_threshold, expected["within_threshold"].get<bool>());
    results.push_back(found);
  }
  EXPECT_LT(max_difference(quantise(latents, largest, {8, 0}), golden.tensor("quantised_8")), 1e-6);
  const auto& by_width = golden.notes["by_precision"];
  const BinRule rule{0, by_width["bin_precision"].get<double>()};
  expect_close(description_length(latents, largest, rule), by_width["description_length"], "bits");
  for (int64_t j = 0; j < largest.numel(); ++j) {
    EXPECT_EQ(rule.edges(largest[j].item<double>()).numel() - 1,
              by_width["bins_per_feature"][j].get<int64_t>());
  }
}

std::string key_of(std::string name) {
  for (char& c : name) c = c == ' ' ? '_' : c == '/' ? '-' : c;
  return name;
}

class GoldenSaeMetricsRemoval : public ::testing::Test {
 protected:
  /// The golden's classes, each with the one it is told apart from.
  std::map<std::string, std::string> pairs() const { return golden_.notes["paired_classes"]; }
  at::Tensor acts(const std::string& part, const std::string& name) const {
    return golden_.tensor(part + "." + key_of(name));
  }
  /// Latents at tokens that are not masked, pooled.
  at::Tensor pooled_latents(const at::Tensor& x) const {
    const at::Tensor kept = (x != 0).any(-1).unsqueeze(-1);
    return (encode(sae_, x) * kept).sum(1) / kept.sum(1);
  }
  LinearProbe probe(const std::string& name) const {
    return {golden_.tensor("probe." + key_of(name) + ".weight").flatten().to(at::kDouble),
            golden_.tensor("probe." + key_of(name) + ".bias").item<double>()};
  }
  at::Tensor ablated(const at::Tensor& x, const at::Tensor& removed) const {
    const at::Tensor f = encode(sae_, x);
    const at::Tensor error = x - decode(sae_, f);
    const at::Tensor left = at::where(removed, at::zeros_like(f), f);
    const at::Tensor n = (x != 0).any(-1).sum(1).unsqueeze(-1);
    return (decode(sae_, left) + error).sum(1) / n;
  }
  /// Accuracy of a probe between a class (1, upstream's 0) and its partner.
  double accuracy(const std::string& of, const std::map<std::string, at::Tensor>& pooled,
                  const std::string& data) const {
    const at::Tensor x = at::cat({pooled.at(data), pooled.at(pairs().at(data))});
    const at::Tensor y =
        at::cat({at::full({pooled.at(data).size(0)}, positive_, at::kLong),
                 at::full({pooled.at(pairs().at(data)).size(0)}, 1 - positive_, at::kLong)});
    return score_probe(probe(of).decision(x), y).accuracy;
  }
  void expect_accuracies(const std::map<std::string, at::Tensor>& pooled,
                         const nlohmann::json& expected) const {
    for (const auto& [name, value] : expected.items()) {
      const auto cut = name.find(" probe on ");
      const std::string of = name.substr(0, cut);
      std::string data = of;
      if (cut != std::string::npos) {
        data = name.substr(cut + 10);
        data.resize(data.size() - std::string(" data").size());
      }
      EXPECT_NEAR(accuracy(of, pooled, data), value.get<double>(), 1e-6) << name;
    }
  }

  const GoldenMetrics golden_ = read_metrics("scr_tpp");
  const Sae sae_ = golden_.sae();
  const int64_t positive_ = golden_.notes["positive_label"];
};

TEST_F(GoldenSaeMetricsRemoval, EffectsOfLatents) {
  for (const auto& [name, partner] : pairs()) {
    const at::Tensor W_dec = sae_.weight("W_dec"), weight = probe(name).weight;
    const at::Tensor positive = pooled_latents(acts("train", name));
    EXPECT_LT(max_difference(latent_effects(positive, pooled_latents(acts("train", partner)),
                                            weight, W_dec, EffectKind::kScr),
                             golden_.tensor("effects_scr." + key_of(name))),
              1e-5);
    // One against the rest: the first rows of every other class.
    std::vector<at::Tensor> rest;
    const int64_t n = positive.size(0), n_each = negatives_per_class(n, 2 * pairs().size());
    for (const auto& [other, other_partner] : pairs()) {
      for (const std::string& row : {other, other_partner}) {
        if (row != name) rest.push_back(acts("train", row).slice(0, 0, n_each));
      }
    }
    EXPECT_LT(max_difference(latent_effects(positive, pooled_latents(at::cat(rest)).slice(0, 0, n),
                                            weight, W_dec, EffectKind::kTpp),
                             golden_.tensor("effects_tpp_one_vs_rest." + key_of(name))),
              1e-5);
  }
}

TEST_F(GoldenSaeMetricsRemoval, AccuraciesAfterRemoval) {
  const auto ns = golden_.notes["n_values"].get<std::vector<int64_t>>();
  std::map<std::string, at::Tensor> clean;
  for (const auto& [name, partner] : pairs()) {
    clean[name] = pool_tokens(acts("test", name));
    clean[partner] = pool_tokens(acts("test", partner));
  }
  expect_accuracies(clean, golden_.notes["clean_accuracies"]);
  for (const auto& [name, by_n] : golden_.notes["ablated_accuracies"].items()) {
    const at::Tensor effects = golden_.tensor("effects_scr." + key_of(name));
    for (const int64_t n : ns) {
      std::map<std::string, at::Tensor> left;
      for (const auto& [other, unused] : clean) {
        left[other] = ablated(acts("test", other), largest_effects(effects, n));
      }
      expect_accuracies(left, by_n.at(std::to_string(n)));
    }
  }
}

TEST_F(GoldenSaeMetricsRemoval, SelectionAndPooledActivations) {
  // The README: of the first class of the list (in the file's order) and the second n.
  const at::Tensor selected = golden_.tensor("selected") != 0;
  const int64_t n = golden_.notes["n_values"][1];
  bool found = false;
  for (const auto& [name, partner] : pairs()) {
    const at::Tensor chosen = largest_effects(golden_.tensor("effects_scr." + key_of(name)), n);
    if (!chosen.equal(selected)) continue;
    found = found || max_difference(ablated(acts("test", name), selected),
                                    golden_.tensor("ablated_pooled")) < 1e-5;
  }
  EXPECT_TRUE(found);
}

TEST(GoldenSaeMetricsArithmetic, ScrAndTpp) {
  const auto notes = read_metrics("scr_tpp_arithmetic").notes;
  const std::string both = "male_professor / female_nurse probe on ";
  const std::string first = "male / female", second = "professor / nurse";
  for (const auto& of : notes["scr"]) {
    const double biased_1 = of["clean"][both + second + " data"];
    const double biased_2 = of["clean"][both + first + " data"];
    const int metric = scr_metric_direction(biased_1, biased_2);
    for (const auto& [n, accuracies] : of["ablated"][first].items()) {
      const double one =
          scr_score(of["clean"][second], biased_1, accuracies[both + second + " data"]);
      const double two =
          scr_score(of["clean"][first], biased_2, of["ablated"][second][n][both + first + " data"]);
      const auto& expected = of["result"];
      expect_close(one, expected["scr_dir1_threshold_" + n], "dir1", 1e-6);
      expect_close(two, expected["scr_dir2_threshold_" + n], "dir2", 1e-6);
      const std::string key = "scr_metric_threshold_" + n;
      ASSERT_EQ(metric != 0, expected.contains(key));
      if (metric != 0) expect_close(metric == 1 ? one : two, expected[key], key, 1e-6);
    }
  }
  const std::map<std::string, double> clean = notes["tpp"]["clean"];
  for (const auto& [name, by_n] : notes["tpp"]["ablated"].items()) {
    for (const auto& [n, accuracies] : by_n.items()) {
      const TppScore score = tpp_score(clean, accuracies, name);
      const auto& expected = notes["tpp"]["per_class"][name];
      expect_close(score.total(), expected["tpp_threshold_" + n + "_total_metric"], n, 1e-6);
      expect_close(score.intended, expected["tpp_threshold_" + n + "_intended_diff_only"], n, 1e-6);
      expect_close(score.unintended, expected["tpp_threshold_" + n + "_unintended_diff_only"], n,
                   1e-6);
    }
  }
}

TEST(GoldenSaeMetricsAbsorption, OfWords) {
  const GoldenMetrics golden = read_metrics("absorption");
  const Sae sae = golden.sae();
  const at::Tensor x = golden.tensor("activations"), latents = encode(sae, x);
  AbsorptionOptions options;
  const auto& thresholds = golden.notes["thresholds"];
  options.full_cosine = thresholds["full_cos"];
  options.fraction_cosine = thresholds["fraction_cos"];
  options.proportion = thresholds["proportion"];
  options.max_absorbers = thresholds["max_absorbers"];
  options.silent = thresholds["eps"];
  for (const auto& [name, of] : golden.notes["cases"].items()) {
    const auto found = absorption(x, latents, sae.weight("W_dec"), golden.tensor("probe"),
                                  of["main_feature_ids"], options);
    ASSERT_EQ(found.size(), of["words"].size());
    for (size_t i = 0; i < found.size(); ++i) {
      const auto& expected = of["words"][i];
      expect_close(found[i].projection, expected["probe_projection"], "projection");
      expect_close(found[i].fraction, expected["absorption_fraction"], "fraction");
      EXPECT_EQ(found[i].is_full, expected["is_full_absorption"].get<bool>()) << name << " " << i;
    }
  }
}

TEST(GoldenSaeMetricsAbsorption, OfLettersAndSplits) {
  const GoldenMetrics golden = read_metrics("absorption");
  std::map<std::string, LetterAbsorption> letters;
  for (const auto& row : golden.notes["aggregate"]["rows"]) {
    LetterAbsorption& letter = letters[row["letter"]];
    letter.sum_of_fractions += row["absorption_fraction"].get<double>();
    letter.n_full += row["is_full_absorption"].get<bool>() ? 1 : 0;
    letter.n_true_positives = row["num_probe_true_positives"];
    letter.n_split = static_cast<int64_t>(row["split_feats"].size());
  }
  for (const auto& expected : golden.notes["aggregate"]["result"]) {
    const LetterAbsorption& letter = letters.at(expected["letter"]);
    expect_close(letter.mean_fraction(), expected["mean_absorption_fraction"], "fraction", 1e-8);
    expect_close(letter.full_rate(), expected["full_absorption_rate"], "rate", 1e-8);
    EXPECT_EQ(letter.n_split, expected["num_split_feats"].get<int64_t>());
  }
  const auto& split = golden.notes["feature_split"];
  for (size_t i = 0; i < split["f1_by_k"].size(); ++i) {
    const int64_t n = split_latents(split["f1_by_k"][i], split["jump"]);
    EXPECT_EQ(n, static_cast<int64_t>(split["split_feats"][i].size())) << i;
    EXPECT_EQ(n - 1, split["num_split_features"][i].get<int64_t>()) << i;
  }
}

TEST(GoldenSaeMetricsRavel, InterchangeOfLatents) {
  const GoldenMetrics golden = read_metrics("ravel");
  const Sae sae = golden.sae();
  const at::Tensor resid = golden.tensor("resid"), position = golden.tensor("pos");
  const at::Tensor rows = at::arange(resid.size(0), at::kLong);
  const at::Tensor base = resid.index({rows, position});
  const at::Tensor base_latents = encode(sae, base);
  const at::Tensor source_latents = encode(sae, golden.tensor("source"));
  for (const auto& [name, expected] : golden.tensors) {
    if (name.rfind("out.", 0) != 0) continue;
    const bool soft = name.find("train") != std::string::npos;
    const at::Tensor mask = golden.tensor("binary_mask");
    at::Tensor changed = decode(
        sae, interchange(base_latents, source_latents,
                         soft ? soft_mask(mask, golden.notes["temperature"]) : hard_mask(mask)));
    if (name.find("error") != std::string::npos)
      changed = changed + base - decode(sae, base_latents);
    at::Tensor out = resid.clone();
    out.index_put_({rows, position}, changed);
    EXPECT_LT(max_difference(out, expected), 1e-5) << name;
  }
  const auto scores = disentanglement(golden.tensor("logits").argmax(-1),
                                      golden.tensor("source_pred"), golden.tensor("base_pred"));
  expect_close(scores.cause, golden.notes["cause_score"], "cause", 1e-9);
  expect_close(scores.isolation, golden.notes["isolation_score"], "isolation", 1e-9);
  expect_close(scores.disentangle(), golden.notes["disentangle_score"], "disentangle", 1e-9);
  EXPECT_EQ(scores.n_cause, golden.notes["cause_count"].get<int64_t>());
}

}  // namespace
}  // namespace weir::testing
