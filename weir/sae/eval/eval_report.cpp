#include "weir/sae/eval/eval_report.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int kBins = 40;

std::string number(double value) { return std::isnan(value) ? "-" : fmt::format("{:.4g}", value); }

std::string with_interval(const MeanInterval& interval) {
  if (std::isnan(interval.low)) return number(interval.mean);
  return fmt::format("{} [{}, {}]", number(interval.mean), number(interval.low),
                     number(interval.high));
}

TableBlock core_table(const CoreEvaluation& core, uint64_t seed) {
  TableBlock table{"Core", {"metric", "value", "low", "high"}, {}, ""};
  for (const auto& [key, ratio] : core.by_prompt) {
    const MeanInterval interval = ratio.interval(seed);
    // As text: one column holds shares and sums of squares, each with digits of its own.
    table.rows.push_back({key, number(interval.mean), number(interval.low), number(interval.high)});
  }
  const auto plain = [&](const char* key, double value) {
    table.rows.push_back({std::string(key), number(value), std::string(), std::string()});
  };
  plain("alive", core.counts.share_above(0));
  plain("alive_tenth", core.counts.share_alive(0.1));
  plain("alive_half", core.counts.share_alive(0.5));
  plain("ev_legacy", core.reconstruction.ev_legacy);
  plain("ev_saebench", core.reconstruction.ev_saebench);
  const TokenCounts& left_out = core.left_out;
  table.note = fmt::format(
      "{} tokens, of {}: left out {} first positions, {} by id, {} by norm. Losses over {} tokens. "
      "Intervals: bootstrap over rows. alive: fired at all; _tenth and _half: at least so much of "
      "the mean density L0 / F.",
      core.counts.n_tokens(), left_out.n_tokens, left_out.positions, left_out.by_id,
      left_out.outliers, core.n_loss_tokens);
  return table;
}

HistogramBlock density_histogram(const LatentCounts& counts) {
  HistogramBlock histogram{"Densities of living latents", "log10 of the share of tokens", {}, {}};
  const at::Tensor density = counts.density();
  const at::Tensor logs = density.index({density > 0}).log10();
  const double low = std::log10(1.0 / static_cast<double>(counts.n_tokens()));
  for (int i = 0; i <= kBins; ++i) histogram.edges.push_back(low - low * i / kBins);
  histogram.counts.assign(kBins, 0);
  for (const double value : to_doubles(logs)) {
    const int bin = static_cast<int>((value - low) / -low * kBins);
    histogram.counts[static_cast<size_t>(std::clamp(bin, 0, kBins - 1))] += 1;
  }
  return histogram;
}

TableBlock probe_table(const SparseProbingResult& probing) {
  TableBlock table{"Sparse probes by label", {"label"}, {}, ""};
  for (const int64_t k : probing.ks) table.columns.push_back(fmt::format("top {}", k));
  for (const int64_t k : probing.ks) {
    if (!probing.tuned_sae.empty()) table.columns.push_back(fmt::format("tuned AUC, top {}", k));
  }
  const bool has_all = !probing.sae.empty() && probing.sae.begin()->second.count(0) == 1;
  if (has_all) table.columns.insert(table.columns.end(), {"all latents", "the model's own"});
  for (const auto& [label, by_k] : probing.sae) {
    std::vector<Cell> row = {label};
    for (const int64_t k : probing.ks) row.emplace_back(by_k.at(k));
    for (const int64_t k : probing.ks) {
      if (!probing.tuned_sae.empty()) row.emplace_back(probing.tuned_sae.at(label).at(k).auc);
    }
    if (has_all) {
      row.emplace_back(by_k.at(0));
      row.emplace_back(probing.llm.at(label).at(0));
    }
    table.rows.push_back(std::move(row));
  }
  table.note = "Accuracy on balanced test rows, one label against the rest";
  return table;
}

TableBlock letter_table(const FirstLetterResult& result) {
  TableBlock table{"Absorption by first letter",
                   {"letter", "probe F1", "words found", "latents", "fraction", "full"},
                   {},
                   ""};
  for (const LetterAbsorption& letter : result.letters) {
    table.rows.push_back({letter.letter, result.probe_f1.at(letter.letter), letter.n_true_positives,
                          letter.n_split, letter.mean_fraction(), letter.full_rate()});
  }
  table.note = fmt::format(
      "{} words; {} letters whose probe has F1 above .6 (upstream gives no score below 20)",
      result.n_words, result.n_known());
  return table;
}

TableBlock removal_table(const SuiteResult& result) {
  TableBlock table{"Removal (SCR, TPP): not for ranking dictionaries",
                   {"latents", "TPP", "intended", "unintended", "SCR"},
                   {},
                   "Both fail checks of reseed noise and of known truth (2605.18229)"};
  std::map<int64_t, std::vector<Cell>> rows;
  for (const auto& [n, score] : result.tpp) {
    rows[n] = {n, score.total(), score.intended, score.unintended, std::string("-")};
  }
  for (const auto& [n, score] : result.scr) {
    if (rows.count(n) == 0) {
      rows[n] = {n, std::string("-"), std::string("-"), std::string("-"), std::string("-")};
    }
    if (score.has_metric) rows[n].back() = score.metric;
  }
  for (auto& [n, row] : rows) table.rows.push_back(std::move(row));
  return table;
}

TableBlock description_table(const std::vector<DescriptionLength>& results) {
  TableBlock table{"Description length", {"bins", "bits a token", "error", "within"}, {}, ""};
  for (const DescriptionLength& result : results) {
    table.rows.push_back({result.n_bins, result.bits, result.error,
                          std::string(result.within_threshold ? "yes" : "no")});
  }
  return table;
}

std::vector<double> of_metric(const std::vector<ComparedMetric>& metrics, const std::string& key,
                              size_t arm) {
  for (const ComparedMetric& metric : metrics) {
    if (metric.key == key) return metric.arms[arm].by_seed;
  }
  return {};
}

std::string difference_text(const ArmDifference& difference) {
  if (!std::isnan(difference.half_width)) {
    return fmt::format("{:+.4g} +- {:.2g}", difference.difference, difference.half_width);
  }
  if (difference.on_text.n > 0) {
    return fmt::format("{:+.4g} [{:+.4g}, {:+.4g}] on this text", difference.on_text.mean,
                       difference.on_text.low, difference.on_text.high);
  }
  return fmt::format("{:+.4g}", difference.difference);
}

}  // namespace

std::vector<Block> evaluation_blocks(const SuiteResult& result, const Sae& sae,
                                     const std::string& name, uint64_t seed) {
  std::vector<Block> blocks;
  blocks.emplace_back(
      TextBlock{"Dictionary", fmt::format("{}: {}, {} latents, reads {}", name, sae.config.kind,
                                          sae.config.d_sae, sae.config.hook)});
  if (result.core) {
    blocks.emplace_back(core_table(*result.core, seed));
    blocks.emplace_back(density_histogram(result.core->counts));
  }
  if (result.probing) blocks.emplace_back(probe_table(*result.probing));
  if (result.absorption) blocks.emplace_back(letter_table(*result.absorption));
  if (!result.tpp.empty() || !result.scr.empty()) blocks.emplace_back(removal_table(result));
  if (!result.mdl.empty()) blocks.emplace_back(description_table(result.mdl));
  return blocks;
}

std::vector<Block> comparison_blocks(const std::vector<ComparedArm>& arms,
                                     const std::vector<ComparedMetric>& metrics) {
  TableBlock values{"Means", {"metric"}, {}, ""};
  for (const ComparedArm& arm : arms) {
    values.columns.push_back(fmt::format("{} (n = {})", arm.name, arm.seeds.size()));
  }
  TableBlock apart{fmt::format("Differences from {}", arms[0].name),
                   {"metric", "arm", "difference", "verdict", "p (permutation)"},
                   {},
                   ""};
  for (const ComparedMetric& metric : metrics) {
    std::vector<Cell> row = {metric.key};
    for (const ArmValue& value : metric.arms) row.emplace_back(with_interval(value.interval));
    values.rows.push_back(std::move(row));
    for (size_t i = 1; i < arms.size(); ++i) {
      const ArmDifference& difference = metric.differences[i];
      apart.rows.push_back({metric.key, arms[i].name, difference_text(difference),
                            std::string(to_string(difference.verdict)),
                            number(difference.p_permutation)});
    }
  }
  values.note =
      "Intervals of 95 %: over seeds (Student); of an arm with one seed over rows of text";
  apart.note =
      "A difference within its own interval is what new seeds alone would give. p: exact, by "
      "dealing "
      "the seeds to the arms in every way";
  ScatterBlock scatter{"Explained variance and living latents",
                       "living latents (a tenth of L0 / F)",
                       "explained variance",
                       {},
                       {}};
  for (size_t i = 0; i < arms.size(); ++i) {
    const auto ev = of_metric(metrics, "ev_total", i), alive = of_metric(metrics, "alive_tenth", i);
    scatter.x.insert(scatter.x.end(), alive.begin(), alive.end());
    scatter.y.insert(scatter.y.end(), ev.begin(), ev.end());
    scatter.groups.insert(scatter.groups.end(), ev.size(), arms[i].name);
  }
  std::vector<Block> blocks = {values, apart};
  if (!scatter.x.empty()) blocks.emplace_back(std::move(scatter));
  return blocks;
}

}  // namespace weir
