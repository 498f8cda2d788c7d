#include "weir/sae/eval/suite.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// Description lengths on the kept activations of the first rows.
std::vector<DescriptionLength> describe(const LanguageModel& lm, const Sae& sae,
                                        const at::Tensor& tokens, const SuiteOptions& options) {
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {sae.config.hook};
  run.stop_when_cached = true;
  const at::Tensor rows = tokens.slice(0, 0, std::min(options.mdl_rows, tokens.size(0)));
  const at::Tensor x = lm.run({rows, {}}, run).cache[sae.config.hook];
  TokenFilter filter(options.core.filter);
  const at::Tensor kept = x.index({filter(rows, x)});
  const SaeInput input = read_sae_input(sae, kept);
  const at::Tensor latents = encode(sae, input).to(at::kFloat);
  const at::Tensor largest = std::get<0>(latents.max(0)).clamp_min(0);
  std::vector<DescriptionLength> results;
  for (const int64_t n : options.n_bins) {
    const BinRule rule{n, 0};
    DescriptionLength result{n, description_length(latents, largest, rule), 0, false};
    const at::Tensor rounded = quantise(latents, largest, rule).to(input.x.scalar_type());
    result.error = scaled_rms(decode(sae, rounded, input).flatten(1), kept.flatten(1));
    result.within_threshold = result.error < options.mdl_error;
    results.push_back(result);
  }
  return results;
}

bool needs_texts(const SuiteOptions& options) {
  return options.has("sparse_probing") || options.has("sparse_probing_sae_probes") ||
         options.has("tpp") || options.has("scr");
}

void run_on_texts(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                  const LabelledTexts& texts, const SuiteOptions& options,
                  std::vector<SuiteResult>* results) {
  const PooledTexts pooled = pool_texts(lm, saes, texts.text, options.pool);
  for (size_t i = 0; i < saes.size(); ++i) {
    const at::Tensor& latents = pooled.latents[i];
    SuiteResult& result = (*results)[i];
    if (options.has("sparse_probing") || options.has("sparse_probing_sae_probes")) {
      SparseProbingOptions probing = options.probing;
      probing.full_width = probing.full_width && options.has("sparse_probing");
      probing.tuned = options.has("sparse_probing_sae_probes");
      result.probing = sparse_probing(texts, pooled.x, latents, probing);
    }
    if (options.has("tpp")) result.tpp = tpp(texts, *saes[i], pooled.x, latents, options.removal);
    if (options.has("scr")) result.scr = scr(texts, *saes[i], pooled.x, latents, options.removal);
  }
}

}  // namespace

const std::vector<std::string>& evaluation_names() {
  static const std::vector<std::string> names = {
      "core", "sparse_probing", "sparse_probing_sae_probes", "absorption", "tpp", "scr", "mdl"};
  return names;
}

bool SuiteOptions::has(const std::string& name) const {
  return std::find(evaluations.begin(), evaluations.end(), name) != evaluations.end();
}

std::vector<SuiteResult> run_suite(const LanguageModel& lm, const std::vector<const Sae*>& saes,
                                   const at::Tensor& tokens, const LabelledTexts& texts,
                                   SuiteOptions options) {
  const at::NoGradGuard no_grad;
  options.probing.seed = options.removal.seed = options.absorption.seed = options.seed;
  std::vector<SuiteResult> results(saes.size());
  if (options.has("core")) {
    auto core = evaluate_core(lm, saes, tokens, options.core);
    for (size_t i = 0; i < saes.size(); ++i) results[i].core = std::move(core[i]);
  }
  if (needs_texts(options)) run_on_texts(lm, saes, texts, options, &results);
  for (size_t i = 0; i < saes.size(); ++i) {
    if (options.has("absorption")) {
      results[i].absorption = first_letter_absorption(lm, *saes[i], options.absorption);
    }
    if (options.has("mdl")) results[i].mdl = describe(lm, *saes[i], tokens, options);
  }
  return results;
}

std::vector<std::pair<std::string, double>> headline(const SuiteResult& result) {
  std::vector<std::pair<std::string, double>> values;
  if (result.core) {
    for (const char* key : {"ev_total", "mse_sum", "cossim", "l2_ratio", "l0", "ce_sae", "delta_ce",
                            "ce_recovered", "ce_recovered_mean", "kl_sae", "kl_recovered"}) {
      values.emplace_back(key, result.core->by_prompt.at(key).value());
    }
    values.emplace_back("alive", result.core->counts.share_above(0));
    values.emplace_back("alive_tenth", result.core->counts.share_alive(0.1));
    values.emplace_back("alive_half", result.core->counts.share_alive(0.5));
  }
  if (result.probing) {
    const SparseProbingResult& probing = *result.probing;
    for (const int64_t k : probing.ks) {
      values.emplace_back("probe_top_" + std::to_string(k), mean_accuracy(probing.sae, k));
    }
    for (const int64_t k : probing.ks) {
      double auc = 0;
      for (const auto& [label, scores] : probing.tuned_sae) auc += scores.at(k).auc;
      if (probing.tuned_sae.empty()) continue;
      values.emplace_back("tuned_auc_top_" + std::to_string(k),
                          auc / static_cast<double>(probing.tuned_sae.size()));
    }
  }
  if (result.absorption && !result.absorption->letters.empty()) {
    double fraction = 0, full = 0;
    for (const LetterAbsorption& letter : result.absorption->letters) {
      fraction += letter.mean_fraction();
      full += letter.full_rate();
    }
    const auto n = static_cast<double>(result.absorption->letters.size());
    values.emplace_back("absorption_fraction", fraction / n);
    values.emplace_back("absorption_full", full / n);
  }
  if (!result.mdl.empty()) {
    values.emplace_back("mdl_bits", result.mdl[shortest_description(result.mdl)].bits);
  }
  return values;
}

}  // namespace weir
