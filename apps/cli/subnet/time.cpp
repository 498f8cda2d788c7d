#include <algorithm>
#include <chrono>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "apps/cli/subnet/results.h"
#include "weir/base/error.h"
#include "weir/subnet/find.h"
#include "weir/subnet/rules.h"
#include "weir/subnet/subnet_report.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct TimeVerb {
  ModelOptions model;  ///< `model` is set to each checkpoint.
  OutputOptions output;
  CorpusOptions corpus;
  TargetOptions target;
  std::string run_folder, out;
  std::vector<std::string> lambdas = {"10"};
  FindOptions find;
  int64_t steps = 2000, held_rows = 64;
  double share = 0.01;
};

struct Checkpoint {
  int64_t step;
  std::filesystem::path folder;
};

/// Folders with a model whose names end in a number, in RUN_DIR/checkpoints or RUN_DIR, by number.
std::vector<Checkpoint> checkpoints_of(const std::filesystem::path& run) {
  const auto below = std::filesystem::exists(run / "checkpoints") ? run / "checkpoints" : run;
  std::vector<Checkpoint> all;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(below, none)) {
    const std::string name = entry.path().filename();
    const size_t digits = name.find_last_not_of("0123456789") + 1;
    const bool is_model = std::filesystem::exists(entry.path() / "config.json");
    if (!is_model || digits == name.size() || name.size() - digits > 15) continue;
    all.push_back({std::stoll(name.substr(digits)), entry.path()});
  }
  if (all.empty()) {
    fail(ErrorCode::kNotFound,
         "{}: no checkpoints: folders with a config.json whose names end in a step",
         below.string());
  }
  std::sort(all.begin(), all.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step < b.step; });
  return all;
}

/// One checkpoint's row.
struct Moment {
  int64_t step = 0;
  NamedEvaluation full;
  std::vector<FoundSubnetwork> found;
  double first_mlp = NAN;  ///< Of the sparsest: the share of what is kept in the first MLP.
  double at_share = NAN;   ///< r that the power law gives for the share of interest.

  const FoundSubnetwork& best() const {
    return *std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return a.held_out.dropped.pearson < b.held_out.dropped.pearson;
    });
  }
  const FoundSubnetwork& sparsest() const {
    return *std::min_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
      return a.mask.active() < b.mask.active();
    });
  }
};

double in_first_mlp(const Subnetwork& mask) {
  double sum = 0;
  for (const MatrixCount& count : active_by_matrix(mask)) {
    const bool is_mlp = count.kind == MatrixKind::kIn || count.kind == MatrixKind::kOut ||
                        count.kind == MatrixKind::kGate;
    if (count.layer == 0 && is_mlp) sum += static_cast<double>(count.active);
  }
  return mask.active() > 0 ? sum / static_cast<double>(mask.active()) : NAN;
}

double r_at(const std::vector<FoundSubnetwork>& found, double share) {
  std::vector<double> active, r;
  for (const FoundSubnetwork& of : found) {
    if (of.mask.active() == 0 || std::isnan(of.held_out.dropped.pearson)) continue;
    active.push_back(static_cast<double>(of.mask.active()));
    r.push_back(of.held_out.dropped.pearson);
  }
  if (r.size() < 3) return NAN;
  return fit_power_law(active, r).at(share * static_cast<double>(found[0].mask.size()));
}

Moment moment(const TimeVerb& verb, const Checkpoint& checkpoint) {
  ModelOptions model = verb.model;
  model.model = checkpoint.folder.string();
  const LanguageModel lm = load(model, "none", true);
  const Corpus corpus = open_corpus(verb.corpus, lm);
  const int64_t n_held = std::min(verb.held_rows, std::max<int64_t>(1, corpus.n_rows() / 10));
  require_usage(n_held < corpus.n_rows(), "--corpus: expected at least two rows of tokens");
  const Corpus learnt = corpus.part(0, corpus.n_rows() - n_held);
  const at::Tensor held = corpus.rows(corpus.n_rows() - n_held, n_held);
  const NamedTarget target =
      make_target(verb.target.target, verb.target, model, lm, learnt, verb.corpus.corpus);
  const MaskSpace space(lm.transformer().weights(), lm.config(), MaskUnit::kWeight,
                        lm.transformer().dtype());
  Moment of;
  of.step = checkpoint.step;
  of.full = {"full", space.size(),
             evaluate(lm.transformer(), lm.transformer().weights(), held, *target.target,
                      verb.find.evaluation)};
  for (const std::string& lambda : verb.lambdas) {
    FindOptions options = verb.find;
    const MaskTraining training = squeezed(MaskTraining{}, verb.steps);
    options.training.max_steps = training.max_steps;
    options.training.learning_rate = training.learning_rate;
    options.training.growth = training.growth;
    options.training.lambda = std::stod(lambda);
    const auto folder = std::filesystem::path(verb.out) / fmt::format("step-{}", of.step) /
                        fmt::format("{}-lambda-{}", target.name, lambda);
    of.found.push_back(find_subnetwork(lm, space, *target.target, target.name, learnt, held,
                                       options, folder, /*resume=*/true));
  }
  of.first_mlp = in_first_mlp(of.sparsest().mask);
  of.at_share = r_at(of.found, verb.share);
  return of;
}

Report report_of(const std::vector<Moment>& moments, double share) {
  CurvesBlock r{"Correlation with bigrams over training", "step", "r of surprisals", {}, {}};
  r.series = {{"full model", {}}, {"best subnetwork", {}}, {"sparsest subnetwork", {}}};
  CurvesBlock place{"Where the sparsest subnetwork is", "step", "share (%)", {}, {}};
  place.series = {{"kept, of all weights", {}}, {"in the first MLP, of those kept", {}}};
  TableBlock table{"Checkpoints",
                   {"step", "full r", "best r", "sparsest r", "kept", "share", "in first MLP",
                    fmt::format("r at {:g} %", 100 * share)},
                   {},
                   "on rows held out; the last column by a power law through three or more lambda"};
  for (const Moment& of : moments) {
    const double full = of.full.of.dropped.pearson;
    const double best = of.best().held_out.dropped.pearson;
    const double sparse = of.sparsest().held_out.dropped.pearson;
    r.x.push_back(static_cast<double>(of.step));
    r.series[0].y.push_back(full);
    r.series[1].y.push_back(best);
    r.series[2].y.push_back(sparse);
    place.series[0].y.push_back(100 * of.sparsest().share());
    place.series[1].y.push_back(100 * of.first_mlp);
    table.rows.push_back({of.step, full, best, sparse, of.sparsest().mask.active(),
                          of.sparsest().share(), of.first_mlp, of.at_share});
  }
  place.x = r.x;
  Report report{"Subnetworks over training", {}, {}};
  report.blocks.emplace_back(std::move(table));
  report.blocks.emplace_back(std::move(r));
  report.blocks.emplace_back(std::move(place));
  return report;
}

void time(const TimeVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& lambda : verb.lambdas) {
    const bool is_number =
        !lambda.empty() && lambda.find_first_not_of("0123456789.e+-") == std::string::npos;
    require_usage(is_number, fmt::format("--lambda: expected 0 or more, found '{}'", lambda));
  }
  std::vector<Moment> moments;
  ordered_json result;
  for (const Checkpoint& checkpoint : checkpoints_of(verb.run_folder)) {
    moments.push_back(moment(verb, checkpoint));
    const Moment& of = moments.back();
    ordered_json json = {{"step", of.step}, {"full", evaluation_json(of.full)}};
    for (const FoundSubnetwork& found : of.found) {
      ordered_json run = evaluation_json({"", found.mask.active(), found.held_out});
      run["lambda"] = found.lambda;
      run["active_share"] = found.share();
      run["share_by_type"] = share_by_kind(active_by_matrix(found.mask));
      run["share_by_layer"] = share_by_layer(active_by_matrix(found.mask));
      json["runs"].push_back(std::move(run));
    }
    json["first_mlp_share"] = of.first_mlp;
    json["r_at_share"] = of.at_share;
    result["checkpoints"].push_back(std::move(json));
    Report so_far = report_of(moments, verb.share);
    so_far.provenance = plain_provenance();
    write_html(so_far, std::filesystem::path(verb.out) / "report.html");
  }
  Report report = report_of(moments, verb.share);
  report.provenance = plain_provenance();
  report.provenance.model = verb.run_folder;
  report.provenance.wall_seconds = seconds_since(start);
  report.provenance.seed = static_cast<int64_t>(verb.find.training.seed);
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_subnet_time(Verb& subnet) {
  auto options = std::make_shared<TimeVerb>();
  Verb& verb = subnet.verb(
      {"time",
       "finds subnetworks in the checkpoints of a training",
       "RUN_DIR holds folders with models whose names end in a step, itself or in checkpoints/. "
       "What is finished below --out is read, not searched again: a run that was stopped goes on.",
       {"weir subnet time runs/stories --corpus stories.txt --lambda 1,10,100 --out over-time"}});
  verb.argument("RUN_DIR", &options->run_folder, "The folder of a training");
  verb.option("--threads", &options->model.threads, "N", "Threads; 0: every CPU", {0});
  add_corpus_options(verb, options->corpus);
  add_target_options(verb, options->target);
  FindOptions& find = options->find;
  verb.option("--out", &options->out, "DIR", "Where masks and the report go").required();
  verb.list("--lambda", &options->lambdas, "L", "Weights of the mean mask value")
      .option("--steps", &options->steps, "N", "The most steps of each search", {1})
      .option("--batch", &find.batch, "B", "Rows of a batch", {1})
      .option("--held-rows", &options->held_rows, "N", "Rows held out, at most", {1})
      .option("--share", &options->share, "P", "At which r is read off the curve", {0, 1})
      .option("--seed", &find.training.seed, "S", "Order of the rows");
  add_output_options(verb, options->output);
  verb.run([options] { time(*options); });
}

}  // namespace weir::cli
