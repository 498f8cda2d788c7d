#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "weir/report/report.h"
#include "weir/sae/dashboard/latent_effects.h"
#include "weir/sae/dashboard/latent_facts.h"

namespace weir {

/// Blocks of contexts and activations, one after the other, and an empty one (no contexts) at the
/// end: a Harvester, or the shards of a store. Their site is the hook that the dictionary reads.
using NextBlock = std::function<data::ActivationBlock()>;

/// The latents of every row: one encoding a block. `site`: the place of the hook in the blocks'
/// rows. Shows progress over `n_tokens`.
LatentEvents collect_latents(const Sae& sae, const NextBlock& next, size_t site,
                             int64_t context_length, int64_t n_tokens);

/// A latent with all that is known of it.
struct LatentView {
  LatentFacts facts;
  LatentEffects effects;
};

/// Of all latents, by number. Memory: about 20 kB a latent. Shows progress.
std::vector<LatentView> view_latents(const LanguageModel& lm, const Sae& sae,
                                     const LatentEvents& events, const FactOptions& facts = {},
                                     const EffectOptions& effects = {});

/// What is said of the dictionary as a whole; `provenance` stands on every page.
struct DashboardText {
  std::string title;  ///< "SmolLM2-135M, blocks.15.hook_resid_post"
  Provenance provenance;
};

/// The page of a latent.
Report latent_page(const LanguageModel& lm, const LatentView& view, const DashboardText& text);

/// A line of numbers a latent, for programs (JSON lines).
void write_latent_lines(const LanguageModel& lm, const std::vector<LatentView>& views,
                        const std::filesystem::path& file);
/// An index and a page for every latent (weir/report/site.h).
void write_dashboard(const LanguageModel& lm, const LatentEvents& events,
                     const std::vector<LatentView>& views, const DashboardText& text,
                     const std::filesystem::path& folder);

}  // namespace weir
