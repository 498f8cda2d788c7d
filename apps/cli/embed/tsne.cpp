#include "weir/embed/tsne.h"

#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/embed/points.h"
#include "apps/cli/token_source.h"
#include "weir/base/error.h"
#include "weir/embed/map_quality.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct TsneVerb {
  PointSource source;
  PointLooks looks;
  OutputOptions output;
  TsneOptions options;
  std::string method = "auto", start, save;
  int64_t near = 12;
};

TsneMethod method_of(const std::string& name) {
  if (name == "exact") return TsneMethod::kExact;
  return name == "grid" ? TsneMethod::kGrid : TsneMethod::kAuto;
}

/// What the picture alone does not say.
std::vector<std::pair<std::string, double>> figures(const TsneVerb& verb, const Points& points,
                                                    const PointColors& colors, const TsneMap& map) {
  const Metric metric = metric_of(verb.source.metric);
  const int64_t k = std::min<int64_t>(verb.near, (points.x.size(0) - 1) / 2);
  std::vector<std::pair<std::string, double>> all{
      {"kl_divergence", map.kl},
      {fmt::format("trustworthiness_{}", k), trustworthiness(points.x, map.y, k, metric)},
      {fmt::format("neighbours_kept_{}", k), neighbour_recall(points.x, map.y, k, metric)}};
  const at::Tensor clusters = clusters_of(colors);
  if (clusters.defined()) {
    all.emplace_back("silhouette_map", silhouette(map.y, clusters).mean);
    all.emplace_back("silhouette_data", silhouette(points.x, clusters, metric).mean);
  }
  return all;
}

CurvesBlock loss_curve(const TsneMap& map) {
  CurvesBlock curve{"KL divergence", "iteration", "nats", {}, {{"KL", {}}}};
  for (const TsneStep& step : map.steps) {
    curve.x.push_back(static_cast<double>(step.iteration));
    curve.series[0].y.push_back(step.kl);
  }
  return curve;
}

void run_tsne(const TsneVerb& verb) {
  const Points points = read_points(verb.source);
  const PointColors colors = read_looks(verb.looks, points);
  TsneOptions options = verb.options;
  options.metric = metric_of(verb.source.metric);
  options.method = method_of(verb.method);
  options.seed = verb.source.seed;
  if (!verb.start.empty()) {
    options.start = read_named(verb.start, "embedding");
    require(options.start.dim() == 2 && options.start.size(0) > points.rows.max().item<int64_t>(),
            "expected a start for each row in {}", verb.start);
    options.start = options.start.index_select(0, points.rows);
  }
  const auto begin = std::chrono::steady_clock::now();
  const TsneMap map = tsne(points.x, options);
  const double seconds = seconds_since(begin);
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save, {to_view("embedding", map.y), to_view("rows", points.rows)},
                          {{"method", "t-SNE"},
                           {"perplexity", fmt::format("{}", options.perplexity)},
                           {"metric", verb.source.metric},
                           {"kl_divergence", fmt::format("{}", map.kl)}});
  }
  TableBlock table{"Map", {"figure", "value"}, {}, ""};
  nlohmann::ordered_json result{{"n", points.x.size(0)},
                                {"columns", points.n_columns},
                                {"dimensions", points.x.size(1)},
                                {"seconds", seconds}};
  for (const auto& [name, value] : figures(verb, points, colors, map)) {
    table.rows.push_back({name, value});
    result[name] = value;
  }
  Report report{"t-SNE map", plain_provenance(), {}};
  report.provenance.wall_seconds = seconds;
  report.provenance.seed = static_cast<int64_t>(options.seed);
  report.provenance.extra = {{"data", verb.source.data}};
  report.blocks.emplace_back(scatter_of("t-SNE", map.y, colors, "t-SNE 1", "t-SNE 2"));
  report.blocks.emplace_back(std::move(table));
  report.blocks.emplace_back(loss_curve(map));
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_embed_tsne(Verb& embed) {
  auto options = std::make_shared<TsneVerb>();
  Verb& verb = embed.verb(
      {"tsne",
       "draws rows as a map that keeps neighbours (t-SNE)",
       "Up to 1,000 rows by all pairs, more by nearest neighbours and FFT. Distances between far "
       "clusters mean nothing: the report gives trustworthiness and, with clusters as --color, "
       "silhouettes in the map and in the data.",
       {"weir embed tsne --data sae/sae_weights.safetensors:W_dec --metric cosine --html map.html",
        "weir embed tsne --data acts.safetensors:features --sample 5000 --active .01 --pca 50 "
        "--save map.safetensors"}});
  TsneOptions& t = options->options;
  add_point_source(verb, options->source);
  verb.option("--perplexity", &t.perplexity, "P", "Neighbours that count, smoothly", {1, 1e6, true})
      .choice("--method", &options->method, {"auto", "exact", "grid"}, "How forces are summed")
      .option("--iterations", &t.iterations, "N", "After the early ones", {0})
      .option("--early-iterations", &t.early_iterations, "N", "With exaggeration", {0})
      .option("--early-exaggeration", &t.early_exaggeration, "A", "Attraction in those",
              {0, 1e6, true})
      .option("--exaggeration", &t.exaggeration, "A", "Attraction afterwards", {0, 1e6, true})
      .option("--learning-rate", &t.learning_rate, "R",
              "Of the gradient without its factor 4; 0: n/exaggeration, at least 200", {0})
      .option("--start", &options->start, "F[:KEY]",
              "Where rows start ([n, 2], \"embedding\"); else their principal components")
      .option("--near", &options->near, "K", "Neighbours of the figures", {1});
  add_point_looks(verb, options->looks);
  add_output_file(verb, "--save", &options->save, "OUT.safetensors", "embedding [n, 2], rows [n]");
  add_output_options(verb, options->output);
  verb.run([options] { run_tsne(*options); });
}

}  // namespace weir::cli
