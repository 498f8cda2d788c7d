#include "weir/sae/harvest/harvest.h"

#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/corpus_options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/base/progress.h"
#include "weir/sae/harvest/harvest_plan.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct HarvestVerb {
  ModelOptions model;
  HarvestCorpusOptions corpus;
  std::vector<std::string> names;
  std::string out, store_dtype = "float32";
  double memory_gb = 0;
  bool plan = false;
  OutputOptions output;
};

ordered_json plan_json(const HarvestPlan& plan) {
  return {{"tokens", plan.n_tokens},
          {"contexts", plan.n_contexts},
          {"batch_contexts", plan.batch_contexts},
          {"contexts_per_shard", plan.contexts_per_shard},
          {"weights_bytes", plan.weights},
          {"memory_bytes", plan.memory()},
          {"disk_bytes", plan.disk},
          {"available_memory_bytes", plan.available_memory},
          {"available_disk_bytes", plan.available_disk}};
}

ordered_json drops_json(const data::DropCounts& dropped) {
  return {{"tokens", dropped.n_tokens},
          {"first_positions", dropped.positions},
          {"by_token", dropped.tokens},
          {"by_norm", dropped.norms},
          {"by_norm_and_site", dropped.norms_by_site},
          {"kept", dropped.n_kept()}};
}

// A line a site, for people and as JSON.
Report store_report(const data::ActivationStore& store, ordered_json* sites) {
  TableBlock table{"Sites",
                   {"site", "width", "rows", "mean norm", "norm factor", "scale", "offset",
                    "norm limit", "above it"},
                   {},
                   ""};
  const data::StoreInfo& info = store.info();
  for (size_t i = 0; i < info.sites.size(); ++i) {
    const data::ActivationStatistics& of = store.statistics()[i];
    table.rows.push_back({info.sites[i].name, info.sites[i].width, of.n, of.mean_norm(),
                          of.norm_factor(), of.norm_scale(), of.offset_ratio(), info.norm_limits[i],
                          info.dropped.norms_by_site[i]});
    sites->push_back({{"name", info.sites[i].name},
                      {"width", info.sites[i].width},
                      {"rows", of.n},
                      {"mean_norm", of.mean_norm()},
                      {"norm_factor", of.norm_factor()},
                      {"norm_scale", of.norm_scale()},
                      {"offset_ratio", of.offset_ratio()},
                      {"norm_limit", info.norm_limits[i]}});
  }
  table.note =
      "norm factor: sqrt(mean ||x||^2); scale: sqrt(d) / mean ||x||; offset: ||mean|| / spread";
  return {"Harvest", {}, {std::move(table), TextBlock{"Left out", drops_text(info.dropped)}}};
}

void harvest_verb(const HarvestVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  set_progress_enabled(!verb.output.quiet);
  const LanguageModel lm = load(verb.model, "none", true);
  HarvestCorpus corpus = open_harvest_corpus(verb.corpus, lm, verb.names, verb.out);
  HarvestSize size;
  size.n_contexts = corpus.n_contexts;
  size.dtype = parse_dtype(verb.store_dtype);
  size.memory = verb.memory_gb * 1e9;
  const HarvestPlan plan =
      plan_harvest(lm, Harvester(lm, corpus.rows, corpus.harvest), corpus.harvest, size, verb.out);
  if (verb.plan) {
    Report report = plan_report(plan);
    report.provenance = provenance(lm, verb.model, seconds_since(start));
    return show(std::move(report), verb.output, plan_json(plan));
  }
  if (!verb.output.json && !verb.output.quiet) {
    print_now(render_terminal(plan_report(plan), {}));
  }
  corpus.harvest.batch_contexts = plan.batch_contexts;
  HarvestStore options;
  options.n_contexts = corpus.n_contexts;
  options.dtype = size.dtype;
  options.contexts_per_shard = plan.contexts_per_shard;
  options.origin = ordered_json({{"model", verb.model.model},
                                 {"model_sha256", lm.source().sha256},
                                 {"dtype", verb.model.dtype},
                                 {"corpus_sha256", corpus.sha256}})
                       .dump();
  const auto begun = std::chrono::steady_clock::now();
  const auto store = harvest(lm, corpus.rows, corpus.harvest, options, verb.out);
  const double seconds = seconds_since(begun);
  ordered_json sites = ordered_json::array();
  Report report = store_report(*store, &sites);
  report.title = "Activations of " + verb.model.model;
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.corpus.seed);
  report.provenance.extra = {{"corpus_sha256", corpus.sha256}};
  show(std::move(report), verb.output,
       {{"folder", verb.out},
        {"plan", plan_json(plan)},
        {"dropped", drops_json(store->info().dropped)},
        {"sites", sites},
        {"seconds", seconds}});
}

}  // namespace

void add_sae_harvest(Verb& sae) {
  auto options = std::make_shared<HarvestVerb>();
  Verb& verb = sae.verb(
      {"harvest",
       "runs a model over a corpus and keeps activations on disk",
       "All sites come from one forward, which ends with the last of them. What spoils a "
       "dictionary is left out and counted: first positions, and tokens of outlying norm. DIR gets "
       "shards of safetensors with the rows, their tokens and their places. A call that was "
       "stopped "
       "or killed goes on where it was when it is given again.",
       {"weir sae harvest smollm2-135m --names blocks.15.hook_resid_post --corpus corpus.shard "
        "--tokens 1000000 --out acts",
        "weir sae harvest gpt2 --names 'blocks.*.hook_resid_pre' --corpus books/ --tokens 200000 "
        "--out acts --store-dtype bfloat16",
        "weir sae harvest gpt2 --names blocks.6.hook_mlp_out --corpus a.txt --out acts --plan"}});
  add_model_options(verb, options->model);
  verb.list("--names", &options->names, "GLOB,...", "Globs of hook names, separated by commas")
      .required();
  add_harvest_corpus_options(verb, options->corpus);
  verb.option("--out", &options->out, "DIR", "The folder of the store")
      .required()
      .choice("--store-dtype", &options->store_dtype, {"float32", "bfloat16"},
              "Of the rows on disk")
      .option("--memory", &options->memory_gb, "GB",
              "Most memory beyond the weights; 0: three quarters of what is there", {0})
      .flag("--plan", &options->plan, "Say what it would take, and stop");
  add_output_options(verb, options->output);
  verb.run([options] { harvest_verb(*options); });
}

}  // namespace weir::cli
