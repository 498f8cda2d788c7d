#include "weir/sae/dashboard/dashboard.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/progress.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/report/site.h"
#include "weir/sae/dashboard/words.h"
#include "weir/sae/harvest/harvest.h"

namespace weir {
namespace {

using nlohmann::ordered_json;

std::string joined_tokens(const LanguageModel& lm, const std::vector<int64_t>& tokens) {
  std::string text;
  for (const int64_t token : tokens) text += (text.empty() ? "" : " · ") + lm.token_text(token);
  return text;
}

ordered_json token_json(const LanguageModel& lm, int64_t token, double value) {
  return {{"id", token}, {"token", lm.token_text(token)}, {"value", value}};
}

ordered_json view_json(const LanguageModel& lm, const LatentView& view) {
  const LatentFacts& facts = view.facts;
  const LatentEffects& effects = view.effects;
  const auto number = [](double value) {
    return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
  };
  ordered_json json = {
      {"latent", facts.latent},
      {"fired", facts.n_fired},
      {"density", facts.density},
      {"mean", facts.mean},
      {"largest", facts.largest},
      {"token_entropy", number(facts.token_entropy)},
      {"selectivity", number(facts.selectivity)},
      {"lookup", {number(facts.lookup[0]), number(facts.lookup[1]), number(facts.lookup[2])}},
      {"logit_kurtosis", number(effects.kurtosis)},
      {"logit_skewness", number(effects.skewness)},
      {"token_cosine", number(effects.token_cosine)},
      {"decoder_norm", effects.decoder_norm}};
  for (const char* list : {"tokens", "promoted", "suppressed"}) json[list] = ordered_json::array();
  for (const FiringToken& token : facts.tokens) {
    json["tokens"].push_back(token_json(lm, token.token, token.share));
  }
  for (const auto& [token, weight] : effects.promoted) {
    json["promoted"].push_back(token_json(lm, token, weight));
  }
  for (const auto& [token, weight] : effects.suppressed) {
    json["suppressed"].push_back(token_json(lm, token, weight));
  }
  json["nearest"] = effects.nearest;
  json["together"] = facts.together;
  return json;
}

// How many latents fire how often: a bin for each third of a power of ten.
HistogramBlock density_histogram(const std::vector<LatentView>& views) {
  HistogramBlock block{"How often latents fire", "log10 of the share of tokens", {}, {}};
  constexpr int kLow = -18;
  for (int i = kLow; i <= 0; ++i) block.edges.push_back(i / 3.0);
  block.counts.resize(static_cast<size_t>(-kLow), 0);
  for (const LatentView& view : views) {
    const double density = view.facts.density;
    if (density == 0) continue;
    const int bin = static_cast<int>(std::floor(3 * std::log10(density))) - kLow;
    ++block.counts[static_cast<size_t>(std::clamp(bin, 0, -kLow - 1))];
  }
  return block;
}

Report index_report(const DashboardText& text, const LatentEvents& events,
                    const std::vector<LatentView>& views) {
  const auto n_dead = std::count_if(views.begin(), views.end(),
                                    [](const LatentView& view) { return view.facts.n_fired == 0; });
  Report index{text.title, text.provenance, {}};
  std::string about = fmt::format(
      "{} latents over {} tokens of {} contexts; {} fired at each token on average, {} latents "
      "never.\n",
      events.n_latents(), events.n_rows(), events.n_contexts(),
      fmt::format("{:.1f}",
                  static_cast<double>(events.n_events()) / static_cast<double>(events.n_rows())),
      n_dead);
  about += "Tokens: " + drops_text(events.dropped()) + ".\n";
  about +=
      "Below: a line a latent. Search for a token or a word that it fires on or promotes, sort by "
      "any column, open one. \"last token\" is how much of its activation the token alone tells: "
      "near 1 a latent of a token, near 0 one of what stands around it.";
  index.blocks.push_back(TextBlock{"The dictionary", about});
  index.blocks.push_back(density_histogram(views));
  return index;
}

SiteEntry entry_of(const LanguageModel& lm, const LatentView& view) {
  const LatentFacts& facts = view.facts;
  std::vector<int64_t> on, promoted;
  for (size_t i = 0; i < facts.tokens.size() && i < 4; ++i) on.push_back(facts.tokens[i].token);
  for (size_t i = 0; i < view.effects.promoted.size() && i < 4; ++i) {
    promoted.push_back(view.effects.promoted[i].first);
  }
  return {fmt::format("Latent {}", facts.latent),
          {joined_tokens(lm, on), joined_tokens(lm, promoted), 100 * facts.density, facts.largest,
           facts.lookup[0], facts.token_entropy}};
}

}  // namespace

void write_latent_lines(const LanguageModel& lm, const std::vector<LatentView>& views,
                        const std::filesystem::path& file) {
  io::AtomicFile lines(file);
  for (const LatentView& view : views) lines.write(io::dump_json(view_json(lm, view)) + "\n");
  lines.commit();
}

void write_dashboard(const LanguageModel& lm, const LatentEvents& events,
                     const std::vector<LatentView>& views, const DashboardText& text,
                     const std::filesystem::path& folder) {
  Site site;
  site.columns = {"fires on", "promotes", "% of tokens", "largest", "last token", "entropy"};
  for (const LatentView& view : views) site.entries.push_back(entry_of(lm, view));
  site.index = index_report(text, events, views);
  Progress progress("pages", static_cast<uint64_t>(views.size()));
  SiteOptions options;
  options.on_page = [&](size_t done) { progress.set(done); };
  write_site(
      site, [&](size_t i) { return latent_page(lm, views[i], text); }, folder, options);
}

}  // namespace weir
