#include "weir/subnet/find.h"

#include <chrono>
#include <cmath>
#include <map>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "apps/cli/subnet/results.h"
#include "weir/subnet/input_means.h"
#include "weir/subnet/rules.h"
#include "weir/subnet/subnet_report.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kRowsOfMeans = 64;

struct FindVerb {
  ModelOptions model;
  OutputOptions output;
  CorpusOptions corpus;
  TargetOptions target;
  std::string out, unit = "weight", ablation = "zero";
  std::vector<std::string> targets = {"bigram"}, lambdas = {"10"};
  FindOptions find;
  int64_t steps = 15000, held_rows = 64;
  double rate = 0, growth = 0;
  bool resume = false, ablate = false;
};

double lambda_of(const std::string& word) {
  size_t used = 0;
  double lambda = NAN;
  try {
    lambda = std::stod(word, &used);
  } catch (const std::exception&) {
  }
  const bool is_good = used == word.size() && (lambda >= 0 || std::isinf(lambda));
  require_usage(is_good,
                fmt::format("--lambda: expected 0 or more, inf or -inf, found '{}'", word));
  return lambda;
}

FindOptions options_of(const FindVerb& verb, const std::string& lambda) {
  FindOptions options = verb.find;
  const int64_t accumulate = options.training.accumulate;
  const uint64_t seed = options.training.seed;
  options.training = squeezed(MaskTraining{}, verb.steps);
  options.training.accumulate = accumulate;
  options.training.seed = seed;
  options.training.lambda = lambda_of(lambda);
  if (verb.rate > 0) options.training.learning_rate = verb.rate;
  if (verb.growth > 0) options.training.growth = verb.growth;
  return options;
}

ordered_json run_json(const FoundSubnetwork& found) {
  ordered_json json = {{"target", found.target}, {"lambda", found.lambda}};
  if (std::isinf(found.lambda)) json["lambda"] = found.lambda > 0 ? "inf" : "-inf";
  json.update(evaluation_json({"", found.mask.active(), found.held_out}));
  json["size"] = found.mask.size();
  json["active_share"] = found.share();
  json["steps"] = found.log.size();
  json["stopped"] = found.stopped;
  json["stable"] = found.stable;
  json["attempt"] = found.attempt;
  json["active_by_matrix"] = counts_json(found.mask);
  json["share_by_type"] = share_by_kind(active_by_matrix(found.mask));
  json["share_by_layer"] = share_by_layer(active_by_matrix(found.mask));
  return json;
}

/// Which lambda of each target is "the" subnetwork's, and the curve r = f(active).
ordered_json selection_json(const std::vector<FoundSubnetwork>& all, Report* report) {
  std::map<std::string, std::map<double, double>> r;
  std::map<std::string, std::pair<std::vector<double>, std::vector<double>>> curves;
  for (const FoundSubnetwork& found : all) {
    if (std::isinf(found.lambda) || std::isnan(found.held_out.dropped.pearson)) continue;
    r[found.target][found.lambda] = found.held_out.dropped.pearson;
    if (found.mask.active() == 0) continue;
    curves[found.target].first.push_back(static_cast<double>(found.mask.active()));
    curves[found.target].second.push_back(found.held_out.dropped.pearson);
  }
  ordered_json json;
  ScatterBlock plot;
  plot.title = "Sparsity and correlation";
  plot.x_label = "kept (log10)";
  plot.y_label = "r of surprisals";
  for (const auto& [target, by_lambda] : r) {
    json[target]["lambda"] = selected_lambda(by_lambda);
    const auto& [active, values] = curves[target];
    for (size_t i = 0; i < active.size(); ++i) {
      plot.x.push_back(std::log10(active[i]));
      plot.y.push_back(values[i]);
      plot.groups.push_back(target);
    }
    if (active.size() < 3) continue;
    const PowerLaw law = fit_power_law(active, values);
    json[target]["power_law"] = {{"limit", law.limit},       {"scale", law.scale},
                                 {"power", law.power},       {"rms", law.rms},
                                 {"r_at_500k", law.at(5e5)}, {"r_at_1m", law.at(1e6)},
                                 {"r_at_10m", law.at(1e7)}};
  }
  if (plot.x.size() > 1) report->blocks.emplace_back(std::move(plot));
  return json;
}

void find_all(const FindVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<FindOptions> searches;
  for (const std::string& lambda : verb.lambdas) searches.push_back(options_of(verb, lambda));
  const LanguageModel lm = load(verb.model, "none", true);
  const Corpus corpus = open_corpus(verb.corpus, lm);
  const int64_t n_held = std::min(verb.held_rows, std::max<int64_t>(1, corpus.n_rows() / 10));
  require_usage(n_held < corpus.n_rows(), "--corpus: expected at least two rows of tokens");
  const Corpus learnt = corpus.part(0, corpus.n_rows() - n_held);
  const at::Tensor held = corpus.rows(corpus.n_rows() - n_held, n_held);
  MaskSpace space(lm.transformer().weights(), lm.config(), mask_unit_of(verb.unit),
                  lm.transformer().dtype());
  if (verb.ablation == "mean") {
    const at::Tensor rows = learnt.rows(0, std::min(kRowsOfMeans, learnt.n_rows()));
    space.ablate_to_means(input_means(lm, space, rows));
  }
  Report report{"Subnetworks", {}, {}};
  ordered_json result;
  std::vector<FoundSubnetwork> all;
  GroupBlock details{"Each subnetwork", {}, false, true};
  for (const std::string& name : verb.targets) {
    const NamedTarget target =
        make_target(name, verb.target, verb.model, lm, learnt, verb.corpus.corpus);
    for (const FindOptions& options : searches) {
      const std::string title = fmt::format("{}-lambda-{:g}", target.name, options.training.lambda);
      const auto folder = std::filesystem::path(verb.out) / title;
      FoundSubnetwork found = find_subnetwork(lm, space, *target.target, target.name, learnt, held,
                                              options, folder, verb.resume);
      GroupBlock group{title, place_blocks(found.mask)};
      for (Block& block : training_blocks(found)) group.blocks.push_back(std::move(block));
      group.blocks.emplace_back(surprisal_scatter(found.held_out, target.name));
      ordered_json run = run_json(found);
      run["mask"] = (folder / "mask.safetensors").string();
      if (verb.ablate) {
        const auto ablated = ablations(lm.transformer(), space, found.mask, held, *target.target,
                                       options.training.seed);
        group.blocks.emplace_back(ablation_table(ablated, target.name));
        run["ablations"] = evaluations_json(ablated);
      }
      details.blocks.emplace_back(std::move(group));
      result["runs"].push_back(std::move(run));
      all.push_back(std::move(found));
    }
  }
  report.blocks.emplace_back(search_table(all));
  result["selected"] = selection_json(all, &report);
  report.blocks.emplace_back(std::move(details));
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.find.training.seed);
  result["out"] = verb.out;
  write_html(report, std::filesystem::path(verb.out) / "report.html");
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_subnet_find(Verb& subnet) {
  auto options = std::make_shared<FindVerb>();
  Verb& verb = subnet.verb(
      {"find",
       "learns which weights predict like a target",
       "For every target and lambda a folder below --out gets mask.safetensors and metrics.jsonl; "
       "report.html shows all of them. The last rows of the corpus, a tenth at most, are held out "
       "to evaluate. A search that is stopped goes on with --resume and the same options. Fewer "
       "--steps than the paper's 15,000 squeeze its schedule: a larger rate, faster growth.",
       {"weir subnet find gpt2 --corpus book.txt --lambda 1,10,100 --out found",
        "weir subnet find smollm2-135m --corpus book.txt --target unigram,bigram,trigram "
        "--steps 500 --batch 4 --out ladder"}});
  add_model_options(verb, options->model);
  add_corpus_options(verb, options->corpus);
  FindOptions& find = options->find;
  verb.option("--out", &options->out, "DIR", "Where masks and the report go").required();
  verb.list("--target", &options->targets, "WHAT",
            "unigram, bigram, trigram, model (itself), model:NAME, files of n-grams")
      .option("--counts", &options->target.counts, "F[:KEY]",
              "What n-grams are counted in; without it the corpus's own rows")
      .option("--add-k", &options->target.add_k, "K", "Added to every count", {0})
      .option("--min-count", &options->target.min_count, "N",
              "N-grams counted less often are left out", {1})
      .list("--lambda", &options->lambdas, "L", "Weights of the mean mask value; inf: none is kept")
      .choice("--method", &find.method,
              {"continuous", "hard-concrete", "straight-through", "largest", "random"},
              "How masks are learnt")
      .choice("--unit", &options->unit, {"weight", "neuron", "head", "layer", "svd"},
              "What is masked")
      .choice("--ablation", &options->ablation, {"zero", "mean"}, "What is masked away becomes")
      .option("--share", &find.share, "P", "What `largest` and `random` keep", {0, 1})
      .option("--steps", &options->steps, "N", "The most steps", {1})
      .option("--batch", &find.batch, "B", "Rows of a batch", {1})
      .option("--accumulate", &find.training.accumulate, "N", "Batches of a step", {1})
      .option("--rate", &options->rate, "X", "Learning rate; 0: the paper's, squeezed", {0})
      .option("--growth", &options->growth, "X", "Of the temperature; 0: the paper's, squeezed",
              {0})
      .option("--attempts", &find.attempts, "N", "While the loss is not stable", {1})
      .option("--held-rows", &options->held_rows, "N", "Rows held out, at most", {1})
      .option("--save-every", &find.save_every, "N", "Steps between saved states", {1})
      .option("--seed", &find.training.seed, "S", "Order of the rows, and of methods that draw")
      .flag("--ablate", &options->ablate, "Also evaluate the rest and shuffled masks")
      .flag("--resume", &options->resume, "Go on with what --out holds");
  add_output_options(verb, options->output);
  verb.run([options] { find_all(*options); });
}

}  // namespace weir::cli
