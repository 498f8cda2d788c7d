#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/site.h"
#include "weir/sae/dashboard/dashboard.h"
#include "weir/sae/dashboard/words.h"

namespace weir {
namespace {

Passage passage_of(const LanguageModel& lm, const LatentExample& example) {
  Passage passage;
  passage.note = fmt::format("{:.3g}", example.value);
  for (const int32_t token : example.tokens) passage.tokens.push_back(lm.token_text(token));
  passage.values.assign(example.values.begin(), example.values.end());
  return passage;
}

PassagesBlock passages(const LanguageModel& lm, const std::string& title,
                       const std::vector<LatentExample>& examples, double largest) {
  PassagesBlock block{title, "activation of this latent", {}, std::abs(largest)};
  for (const LatentExample& example : examples) block.passages.push_back(passage_of(lm, example));
  return block;
}

GroupBlock by_strength(const LanguageModel& lm, const LatentFacts& facts) {
  GroupBlock group{"From strong to weak", {}, false, false};
  for (const ExampleInterval& interval : facts.intervals) {
    if (interval.examples.empty()) continue;
    group.blocks.push_back(passages(lm,
                                    fmt::format("{:.3g} to {:.3g}: {} of its firings", interval.low,
                                                interval.high, percent_text(interval.share)),
                                    interval.examples, facts.largest));
  }
  return group;
}

TableBlock token_table(const LanguageModel& lm, const LatentFacts& facts) {
  TableBlock table{"Tokens it fires on",
                   {"token", "share of its firings", "fires at this token", "mean activation"},
                   {},
                   "share: how many of the latent's firings stand at this token; fires at this "
                   "token: at how many of the token's places the latent fires"};
  for (const FiringToken& token : facts.tokens) {
    table.rows.push_back({lm.token_text(token.token), percent_text(token.share),
                          percent_text(token.recall), token.mean});
  }
  return table;
}

TableBlock logit_table(const LanguageModel& lm, const LatentEffects& effects) {
  TableBlock table{"What it promotes", {"raises", "weight", "lowers", "weight "}, {}, ""};
  for (size_t i = 0; i < effects.promoted.size(); ++i) {
    table.rows.push_back({lm.token_text(effects.promoted[i].first), effects.promoted[i].second,
                          lm.token_text(effects.suppressed[i].first),
                          effects.suppressed[i].second});
  }
  table.note =
      "the latent's direction through the final norm's gain and the unembedding: which next tokens "
      "it speaks for, directly";
  return table;
}

TableBlock neighbour_table(const LatentView& view) {
  TableBlock table{"Neighbours", {"direction like", "cosine", "fires with", "together"}, {}, ""};
  const auto& near = view.effects.nearest;
  const auto& together = view.facts.together;
  const auto link = [](int64_t latent) {
    return Link{fmt::format("latent {}", latent), site_page(static_cast<size_t>(latent)).substr(6)};
  };
  for (size_t i = 0; i < std::max(near.size(), together.size()); ++i) {
    std::vector<Cell> row = {std::string(), std::string(), std::string(), std::string()};
    if (i < near.size()) {
      row[0] = link(near[i].first);
      row[1] = fmt::format("{:.3f}", near[i].second);
    }
    if (i < together.size()) {
      row[2] = link(together[i].first);
      row[3] = fmt::format("{:.3f}", together[i].second);
    }
    table.rows.push_back(std::move(row));
  }
  table.note = "together: tokens at which both fire over the geometric mean of how often each does";
  return table;
}

TableBlock score_table(const LatentView& view) {
  const LatentFacts& facts = view.facts;
  const LatentEffects& effects = view.effects;
  TableBlock table{"Scores without a judge", {"score", "value", "meaning"}, {}, ""};
  const auto add = [&](const char* name, double value, const char* meaning) {
    table.rows.push_back({std::string(name), std::isnan(value) ? "" : fmt::format("{:.3f}", value),
                          std::string(meaning)});
  };
  add("last token tells it", facts.lookup[0],
      "variance that a table of the last token predicts (other places with the same token)");
  add("last two tokens", facts.lookup[1], "the same of the last two");
  add("last three tokens", facts.lookup[2], "of the last three");
  add("single token", facts.selectivity, "F1 of firing exactly at one token, the best");
  add("token entropy", facts.token_entropy, "bits, of the tokens of the strongest examples");
  add("logit kurtosis", effects.kurtosis,
      "of its weights on the vocabulary; 3 is a Gaussian, more is few tokens singled out");
  add("logit skewness", effects.skewness, "above 0: it speaks for tokens more than against");
  add("nearest token", effects.token_cosine, "largest cosine with a token's unembedding");
  add("decoder norm", effects.decoder_norm, "length of its direction");
  return table;
}

}  // namespace

Report latent_page(const LanguageModel& lm, const LatentView& view, const DashboardText& text) {
  const LatentFacts& facts = view.facts;
  Report page{fmt::format("Latent {}", facts.latent), text.provenance, {}};
  page.blocks.push_back(TextBlock{"In short", summary_text(lm, view)});
  if (facts.n_fired > 0) {
    page.blocks.push_back(passages(lm, "Where it is strongest", facts.top, facts.largest));
    page.blocks.push_back(token_table(lm, facts));
  }
  if (!view.effects.promoted.empty()) page.blocks.push_back(logit_table(lm, view.effects));
  if (facts.n_fired > 0) page.blocks.push_back(by_strength(lm, facts));
  page.blocks.push_back(neighbour_table(view));
  GroupBlock more{"Distributions and scores", {}, true, false};
  if (facts.n_fired > 0) {
    more.blocks.push_back(HistogramBlock{"Activations where it fires", "activation",
                                         facts.bin_edges, facts.bin_counts});
  }
  if (!view.effects.bin_counts.empty()) {
    more.blocks.push_back(HistogramBlock{"Weights on the vocabulary", "weight",
                                         view.effects.bin_edges, view.effects.bin_counts});
  }
  more.blocks.push_back(score_table(view));
  page.blocks.push_back(std::move(more));
  return page;
}

}  // namespace weir
