#include "weir/sae/dashboard/dashboard.h"

#include <chrono>
#include <ctime>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/corpus_options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/base/error.h"
#include "weir/base/log.h"
#include "weir/base/progress.h"
#include "weir/data/activation_store.h"
#include "weir/sae/dashboard/latent_cache.h"
#include "weir/sae/dashboard/neuronpedia.h"
#include "weir/sae/formats/sae_file.h"
#include "weir/sae/harvest/harvest.h"
#include "weir/sae/splice/splice.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct DashboardVerb {
  std::string sae, out, store, hook, neuronpedia, source_set, delphi;
  ModelOptions model;
  HarvestCorpusOptions corpus;
  FactOptions facts;
  bool no_html = false, vectors = false;
  OutputOptions output;
};

// The corpus as the verb was given it, and the rows' hook.
struct Passes {
  LatentEvents events;
  std::string corpus;  ///< Name or hash.
  double seconds;
};

Passes run_model(const DashboardVerb& verb, const LanguageModel& lm, const Sae& sae) {
  const HarvestCorpus corpus = open_harvest_corpus(verb.corpus, lm, {sae.config.hook}, verb.out);
  Harvester harvester(lm, corpus.rows, corpus.harvest);
  require(harvester.sites().size() == 1, "--hook: expected one activation, '{}' is {}",
          sae.config.hook, harvester.sites().size());
  const auto next = [&]() -> data::ActivationBlock {
    const int64_t left = corpus.n_contexts - harvester.n_contexts();
    return left > 0 ? harvester.next(left) : data::ActivationBlock();
  };
  const auto start = std::chrono::steady_clock::now();
  LatentEvents events = collect_latents(sae, next, 0, harvester.context_length(),
                                        corpus.n_contexts * harvester.context_length());
  return {std::move(events), corpus.sha256, seconds_since(start)};
}

Passes read_store(const DashboardVerb& verb, const Sae& sae) {
  const auto store = data::ActivationStore::open(verb.store);
  const size_t site = store->site(sae.config.hook);
  int64_t block = 0;
  const auto next = [&]() -> data::ActivationBlock {
    if (block == store->n_blocks()) return {};
    data::ActivationBlock next_block = store->block(block);
    if (block++ == 0) next_block.dropped = store->info().dropped;  // Known of the whole alone.
    return next_block;
  };
  const auto start = std::chrono::steady_clock::now();
  const data::StoreInfo& info = store->info();
  LatentEvents events =
      collect_latents(sae, next, site, info.context_length, info.n_contexts * info.context_length);
  return {std::move(events), verb.store, seconds_since(start)};
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

void export_neuronpedia(const DashboardVerb& verb, const LanguageModel& lm, const Sae& sae,
                        const Passes& passes, const std::vector<LatentView>& views) {
  NeuronpediaOptions options;
  options.model_id = sae.config.model.empty() ? verb.model.model : sae.config.model;
  for (char& c : options.model_id) c = c == '/' ? '-' : c;  // It names a folder.
  options.layer = layer_of_hook(sae.config.hook).value_or(options.layer);
  options.source_set = !verb.source_set.empty()
                           ? verb.source_set
                           : fmt::format("weir-{}k", (sae.config.d_sae + 512) / 1024);
  options.hook = sae.config.hook;
  options.dataset = verb.corpus.corpus.empty() ? verb.store : verb.corpus.corpus[0];
  options.created_at = utc_now();
  options.vectors = verb.vectors;
  write_neuronpedia(lm, sae, passes.events, views, options, verb.neuronpedia);
}

void dashboard(const DashboardVerb& verb) {
  require_usage(verb.corpus.corpus.empty() != verb.store.empty(),
                "expected --corpus, or --store with activations that were harvested");
  set_progress_enabled(!verb.output.quiet);
  const auto start = std::chrono::steady_clock::now();
  SaeFile file = load_sae(verb.sae);
  for (const std::string& note : file.notes) log::warn("{}", note);
  Sae& sae = file.sae;
  if (!verb.hook.empty()) sae.config.hook = verb.hook;
  require(!sae.config.hook.empty(), "{}: does not say which activation it reads; give --hook",
          verb.sae);
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const Passes passes = verb.store.empty() ? run_model(verb, lm, sae) : read_store(verb, sae);
  const std::vector<LatentView> views = view_latents(lm, sae, passes.events, verb.facts);
  DashboardText text{verb.model.model + ", " + sae.config.hook,
                     provenance(lm, verb.model, seconds_since(start))};
  text.provenance.seed = static_cast<int64_t>(verb.corpus.seed);
  text.provenance.extra = {{"dictionary", verb.sae}, {"corpus", passes.corpus}};
  if (!verb.no_html) write_dashboard(lm, passes.events, views, text, verb.out);
  std::filesystem::create_directories(verb.out);
  write_latent_lines(lm, views, std::filesystem::path(verb.out) / "latents.jsonl");
  if (!verb.neuronpedia.empty()) export_neuronpedia(verb, lm, sae, passes, views);
  if (!verb.delphi.empty()) {
    write_delphi_cache(latent_cache(passes.events), verb.delphi, {verb.model.model, passes.corpus});
  }
  int64_t n_dead = 0;
  for (const LatentView& view : views) n_dead += view.facts.n_fired == 0 ? 1 : 0;
  const LatentEvents& events = passes.events;
  const double l0 = static_cast<double>(events.n_events()) / static_cast<double>(events.n_rows());
  const std::string said = fmt::format(
      "{} latents, {} never fired; {:.1f} at each of {} tokens\n{}\nopen {}", views.size(), n_dead,
      l0, events.n_rows(), drops_text(events.dropped()),
      (std::filesystem::path(verb.out) / (verb.no_html ? "latents.jsonl" : "index.html")).string());
  Report report{"Dashboard", text.provenance, {TextBlock{"", said}}};
  show_document(report, verb.output,
                {{"folder", verb.out},
                 {"latents", views.size()},
                 {"dead", n_dead},
                 {"tokens", events.n_rows()},
                 {"l0", l0},
                 {"pass_seconds", passes.seconds},
                 {"seconds", seconds_since(start)}});
}

}  // namespace

void add_sae_dashboard(Verb& sae) {
  auto options = std::make_shared<DashboardVerb>();
  Verb& verb = sae.verb(
      {"dashboard",
       "pages that show what every latent of a dictionary fires on",
       "One pass over the corpus fills the pages of all latents: where each is strongest and where "
       "it is weak, on which tokens, what it promotes, its neighbours, and scores that need no "
       "judge. OUT/index.html lists, sorts and searches them; OUT/latents.jsonl has the numbers.",
       {"weir sae dashboard my-sae smollm2-135m --corpus corpus.shard --tokens 1000000 --out pages",
        "weir sae dashboard my-sae smollm2-135m --store acts --out pages --neuronpedia np"}});
  verb.argument("SAE", &options->sae, "A dictionary: a folder or file (weir sae info)");
  add_model_options(verb, options->model);
  add_harvest_corpus_options(verb, options->corpus, false);
  verb.option("--store", &options->store, "DIR",
              "Activations of `weir sae harvest`, in place of --corpus")
      .option("--hook", &options->hook, "NAME", "What it reads, where its files do not say")
      .option("--out", &options->out, "DIR", "Where the pages go")
      .required()
      .option("--top", &options->facts.n_top, "N", "Strongest examples of each latent", {1, 1000})
      .option("--before", &options->facts.before, "N", "Tokens shown before the one meant", {0})
      .option("--after", &options->facts.after, "N", "Tokens shown after it", {0})
      .option("--neuronpedia", &options->neuronpedia, "DIR",
              "Also Neuronpedia's batch files and export layout")
      .option("--source-set", &options->source_set, "NAME",
              "Its name there, such as res-4k; the source is LAYER-NAME")
      .option("--delphi", &options->delphi, "DIR",
              "Also delphi's cache of latents, one module's; a new folder")
      .flag("--vectors", &options->vectors, "With decoder rows in that export")
      .flag("--no-html", &options->no_html, "No pages");
  add_output_options(verb, options->output);
  verb.run([options] { dashboard(*options); });
}

}  // namespace weir::cli
