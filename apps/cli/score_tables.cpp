#include "apps/cli/score_tables.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/bootstrap.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

/// One row of the table: what is measured, over which prompts.
struct Measure {
  std::string name;
  std::vector<double> values;
};

std::vector<Measure> measures(const PromptScores& scores) {
  std::vector<Measure> all = {{"top-1", to_doubles(scores.rank == 0)},
                              {"probability", to_doubles(scores.log_prob.exp())},
                              {"log-probability (nats)", to_doubles(scores.log_prob)},
                              {"rank", to_doubles(scores.rank)}};
  if (scores.logit_diff.defined()) {
    all.push_back({"logit difference", to_doubles(scores.logit_diff)});
    all.push_back({"answer before wrong", to_doubles(scores.logit_diff > 0)});
  }
  if (scores.whole_log_prob.defined()) {
    all.push_back(
        {"log-probability of the whole answer (nats)", to_doubles(scores.whole_log_prob)});
  }
  return all;
}

/// Prompts of one subject are not independent: they are drawn together.
std::vector<int64_t> clusters_of(const PromptSet& set) {
  const bool has_subjects =
      std::all_of(set.prompts.begin(), set.prompts.end(),
                  [](const Prompt& prompt) { return prompt.groups.count("subject") > 0; });
  if (has_subjects) return set.group("subject").index;
  std::vector<int64_t> each(set.prompts.size());
  std::iota(each.begin(), each.end(), 0);
  return each;
}

std::string text_of(const LanguageModel& lm, const std::vector<int64_t>& ids) {
  if (lm.has_tokenizer()) return lm.tokenizer().decode(ids, true);
  std::string text;
  for (const int64_t id : ids) text += lm.token_text(id);
  return text;
}

}  // namespace

std::string tail(const std::string& text) {
  constexpr size_t kBytes = 48;
  if (text.size() <= kBytes) return text;
  size_t begin = text.size() - kBytes;
  while (begin < text.size() && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) ++begin;
  return "…" + text.substr(begin);
}

TableBlock interval_table(const PromptSet& set, const PromptScores& scores, ordered_json* result) {
  TableBlock table{"Scores", {"measure", "mean", "low", "high", "prompts"}, {}, ""};
  const std::vector<int64_t> clusters = clusters_of(set);
  const auto n_clusters = std::set<int64_t>(clusters.begin(), clusters.end()).size();
  table.note = fmt::format("low and high: 95 % bootstrap interval over {}",
                           n_clusters < clusters.size()
                               ? fmt::format("{} subjects with all their prompts", n_clusters)
                               : "prompts");
  for (const Measure& measure : measures(scores)) {
    const MeanInterval interval = bootstrap_mean(measure.values, clusters);
    table.rows.push_back({measure.name, interval.mean, interval.low, interval.high,
                          static_cast<double>(interval.n)});
    (*result)["summary"].push_back({{"measure", measure.name},
                                    {"mean", interval.mean},
                                    {"low", interval.low},
                                    {"high", interval.high},
                                    {"n", interval.n}});
  }
  return table;
}

TableBlock group_table(const PromptSet& set, const PromptScores& scores, const std::string& group) {
  const PromptSet::Groups groups = set.group(group);
  TableBlock table{"By " + group,
                   {group, "prompts", "top-1", "low", "high", "probability", "low", "high"},
                   {},
                   ""};
  const auto right = to_doubles(scores.rank == 0), p = to_doubles(scores.log_prob.exp());
  for (size_t g = 0; g < groups.names.size(); ++g) {
    std::vector<double> right_here, p_here;
    for (size_t i = 0; i < right.size(); ++i) {
      if (groups.index[i] != static_cast<int64_t>(g)) continue;
      right_here.push_back(right[i]);
      p_here.push_back(p[i]);
    }
    const MeanInterval top = bootstrap_mean(right_here), mean = bootstrap_mean(p_here);
    table.rows.push_back(
        {groups.names[g], top.n, top.mean, top.low, top.high, mean.mean, mean.low, mean.high});
  }
  return table;
}

TableBlock prompt_table(const LanguageModel& lm, const PromptSet& set, const PromptScores& scores) {
  TableBlock table{
      "Prompts", {"prompt", "answer", "probability", "rank", "the model says"}, {}, ""};
  for (int64_t n = 0; n < set.size(); ++n) {
    const Prompt& prompt = set.prompts[static_cast<size_t>(n)];
    table.rows.push_back({tail(text_of(lm, prompt.clean.tokens)),
                          lm.token_text(prompt.answer.front()),
                          std::exp(scores.log_prob[n].item<double>()),
                          static_cast<double>(scores.rank[n].item<int64_t>()),
                          lm.token_text(scores.top[n].item<int64_t>())});
  }
  return table;
}

}  // namespace weir::cli
