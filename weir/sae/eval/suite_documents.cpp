#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/sae/eval/suite.h"

/// Results as SAEBench's documents, evaluation by evaluation.
namespace weir {
namespace {

using nlohmann::ordered_json;

double known(double value) { return std::isfinite(value) ? value : -1; }

struct Moments {
  double mean = 0, deviation = 0;
};
/// With n - 1, as upstream's statistics.stdev.
Moments moments(const std::vector<double>& values) {
  Moments result;
  const auto n = static_cast<double>(values.size());
  for (const double value : values) result.mean += value / n;
  for (const double value : values) {
    result.deviation += (value - result.mean) * (value - result.mean);
  }
  result.deviation = values.size() > 1 ? std::sqrt(result.deviation / (n - 1)) : NAN;
  return result;
}

ordered_json options_json(const SuiteOptions& options, const EvalSubject& subject) {
  const TokenFilterOptions& filter = options.core.filter;
  return {{"model_name", subject.model},
          {"random_seed", options.seed},
          {"skip_positions", filter.skip_positions},
          {"max_norm_multiple", filter.max_norm_multiple},
          {"skip_tokens", filter.skip_tokens}};
}

ordered_json core_config(const SuiteOptions& options, const EvalSubject& subject,
                         const std::string& corpus) {
  ordered_json config = options_json(options, subject);
  config["dataset"] = corpus;
  config["batch_size_prompts"] = options.core.batch;
  config["n_loss_rows"] = options.core.n_loss_rows;
  for (const char* what :
       {"compute_kl", "compute_ce_loss", "compute_l2_norms", "compute_sparsity_metrics",
        "compute_variance_metrics", "compute_featurewise_density_statistics",
        "compute_featurewise_weight_based_metrics", "exclude_special_tokens_from_reconstruction"}) {
    config[what] = true;
  }
  return config;
}

/// "llm_test_accuracy" for k = 0, else "llm_top_5_test_accuracy".
std::string accuracy_key(const std::string& part, int64_t k) {
  return k == 0 ? part + "_test_accuracy" : part + "_top_" + std::to_string(k) + "_test_accuracy";
}

using ByLabel = std::map<std::string, std::map<int64_t, double>>;
ordered_json accuracies(const ByLabel& by_label, const std::string& part) {
  ordered_json result = ordered_json::object();
  if (by_label.empty()) return result;
  for (const auto& [k, unused] : by_label.begin()->second) {
    result[accuracy_key(part, k)] = known(mean_accuracy(by_label, k));
  }
  return result;
}
ordered_json accuracies_by_label(const ByLabel& by_label, const std::string& part) {
  ordered_json result = ordered_json::object();
  for (const auto& [label, by_k] : by_label) {
    for (const auto& [k, value] : by_k) result[accuracy_key(part, k)][label] = known(value);
  }
  return result;
}

ordered_json tuned_metrics(const std::map<std::string, std::map<int64_t, ProbeScores>>& by_label,
                           const std::string& part) {
  ordered_json result = ordered_json::object();
  if (by_label.empty()) return result;
  for (const auto& [k, unused] : by_label.begin()->second) {
    double accuracy = 0, auc = 0, f1 = 0;
    const auto n = static_cast<double>(by_label.size());
    for (const auto& [label, scores] : by_label) {
      accuracy += scores.at(k).accuracy / n;
      auc += scores.at(k).auc / n;
      f1 += scores.at(k).f1_weighted / n;
    }
    const std::string prefix = k == 0 ? part : part + "_top_" + std::to_string(k);
    result[prefix + "_test_accuracy"] = known(accuracy);
    result[prefix + "_test_auc"] = known(auc);
    result[prefix + "_test_f1"] = known(f1);
  }
  return result;
}

ordered_json absorption_metrics(const FirstLetterResult& result) {
  std::vector<double> fractions, rates, splits;
  for (const LetterAbsorption& letter : result.letters) {
    fractions.push_back(letter.mean_fraction());
    rates.push_back(letter.full_rate());
    splits.push_back(static_cast<double>(letter.n_split));
  }
  const Moments fraction = moments(fractions), rate = moments(rates), split = moments(splits);
  ordered_json metrics;
  metrics["mean"] = {{"mean_absorption_fraction_score", known(fraction.mean)},
                     {"mean_full_absorption_score", known(rate.mean)},
                     {"mean_num_split_features", known(split.mean)},
                     {"std_dev_absorption_fraction_score", known(fraction.deviation)},
                     {"std_dev_full_absorption_score", known(rate.deviation)},
                     {"std_dev_num_split_features", known(split.deviation)}};
  metrics["weir_absorption"] = {{"letters", result.letters.size()},
                                {"letters_known", result.n_known()},
                                {"letters_upstream_needs", 20},
                                {"words", result.n_words},
                                {"probe_f1", result.probe_f1}};
  return metrics;
}

ordered_json absorption_details(const FirstLetterResult& result) {
  ordered_json details = ordered_json::array();
  for (const LetterAbsorption& letter : result.letters) {
    details.push_back({{"first_letter", letter.letter},
                       {"mean_absorption_fraction", letter.mean_fraction()},
                       {"full_absorption_rate", letter.full_rate()},
                       {"num_full_absorption", letter.n_full},
                       {"num_probe_true_positives", letter.n_true_positives},
                       {"num_split_features", letter.n_split}});
  }
  return details;
}

ordered_json tpp_metrics(const std::map<int64_t, TppScore>& scores) {
  ordered_json metrics;
  for (const auto& [n, score] : scores) {
    const std::string prefix = "tpp_threshold_" + std::to_string(n);
    metrics[prefix + "_total_metric"] = known(score.total());
    metrics[prefix + "_intended_diff_only"] = known(score.intended);
    metrics[prefix + "_unintended_diff_only"] = known(score.unintended);
  }
  return metrics;
}

ordered_json scr_metrics(const std::map<int64_t, ScrResult>& results) {
  ordered_json metrics;
  for (const auto& [n, result] : results) {
    const std::string suffix = "_threshold_" + std::to_string(n);
    metrics["scr_dir1" + suffix] = known(result.direction_1);
    metrics["scr_metric" + suffix] = result.has_metric ? known(result.metric) : -1;
    metrics["scr_dir2" + suffix] = known(result.direction_2);
  }
  return metrics;
}

ordered_json mdl_details(const std::vector<DescriptionLength>& results) {
  ordered_json details = ordered_json::array();
  for (const DescriptionLength& result : results) {
    details.push_back({{"num_bins", result.n_bins},
                       {"description_length", result.bits},
                       {"within_threshold", result.within_threshold},
                       {"mse_loss", result.error}});
  }
  return details;
}

}  // namespace

std::vector<ordered_json> suite_documents(const SuiteResult& result, const Sae& sae,
                                          const EvalSubject& subject, const LabelledTexts& texts,
                                          const std::string& corpus, const SuiteOptions& options) {
  std::vector<ordered_json> documents;
  const ordered_json none = ordered_json::object(), no_details = ordered_json::array();
  const auto add = [&](const std::string& type, const ordered_json& config,
                       const ordered_json& metrics, const ordered_json& details,
                       const ordered_json& rest) {
    documents.push_back(eval_document(type, subject, sae, config, metrics, details, rest));
  };
  ordered_json on_texts = options_json(options, subject);
  on_texts["dataset_names"] = {texts.name};
  on_texts["context_length"] = options.pool.context;
  on_texts["k_values"] = options.probing.ks;
  if (result.core) {
    add("core", core_config(options, subject, corpus),
        core_metrics(*result.core, sae, options.seed), core_details(*result.core, sae), none);
  }
  if (result.probing && options.has("sparse_probing")) {
    const SparseProbingResult& probing = *result.probing;
    ordered_json detail = {{"dataset_name", texts.name + "_results"}};
    detail.update(accuracies(probing.llm, "llm"));
    detail.update(accuracies(probing.sae, "sae"));
    ordered_json rest;
    rest[texts.name + "_results"] = accuracies_by_label(probing.sae, "sae");
    rest[texts.name + "_results"].update(accuracies_by_label(probing.llm, "llm"));
    add("sparse_probing", on_texts,
        {{"llm", accuracies(probing.llm, "llm")}, {"sae", accuracies(probing.sae, "sae")}},
        ordered_json::array({detail}), rest);
  }
  if (result.probing && options.has("sparse_probing_sae_probes")) {
    const ordered_json llm = tuned_metrics(result.probing->tuned_llm, "llm");
    const ordered_json of_sae = tuned_metrics(result.probing->tuned_sae, "sae");
    ordered_json detail = {{"dataset_name", texts.name}};
    detail.update(llm);
    detail.update(of_sae);
    add("sparse_probing_sae_probes", on_texts, {{"llm", llm}, {"sae", of_sae}},
        ordered_json::array({detail}), nullptr);
  }
  if (result.absorption) {
    ordered_json config = options_json(options, subject);
    config["f1_jump_threshold"] = options.absorption.f1_jump;
    config["max_k_value"] = options.absorption.most_latents;
    config["k_sparse_probe_l1_decay"] = options.absorption.l1;
    config["prompt_template"] = "{word} has the first letter:";
    add("absorption_first_letter", config, absorption_metrics(*result.absorption),
        absorption_details(*result.absorption), nullptr);
  }
  if (!result.tpp.empty()) {
    add("tpp", on_texts, {{"tpp_metrics", tpp_metrics(result.tpp)}}, no_details, nullptr);
  }
  if (!result.scr.empty()) {
    add("scr", on_texts, {{"scr_metrics", scr_metrics(result.scr)}}, no_details, nullptr);
  }
  if (!result.mdl.empty()) {
    const DescriptionLength& best = result.mdl[shortest_description(result.mdl)];
    ordered_json config = options_json(options, subject);
    config["num_bins_values"] = options.n_bins;
    config["mse_epsilon_threshold"] = options.mdl_error;
    add("mdl", config,
        {{"mdl",
          {{"description_length", best.bits},
           {"num_bins", best.n_bins},
           {"within_threshold", best.within_threshold}}}},
        mdl_details(result.mdl), nullptr);
  }
  return documents;
}

}  // namespace weir
