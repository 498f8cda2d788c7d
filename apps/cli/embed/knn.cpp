#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/embed/points.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

constexpr int64_t kRowsShown = 20;

struct KnnVerb {
  PointSource source;
  OutputOptions output;
  int64_t k = 15;
  std::string save;
};

void run_knn(const KnnVerb& verb) {
  const Points points = read_points(verb.source);
  Neighbours graph = nearest_neighbours(points.x, verb.k, metric_of(verb.source.metric));
  graph.index = points.rows.index_select(0, graph.index.flatten()).view_as(graph.index);
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save,
                          {to_view("index", graph.index), to_view("distance", graph.distance),
                           to_view("rows", points.rows)},
                          {{"metric", verb.source.metric}});
  }
  TableBlock table{"Neighbours", {"row", "nearest", "distance"}, {}, ""};
  for (int64_t i = 0; i < std::min(kRowsShown, points.x.size(0)); ++i) {
    std::vector<std::string> near, far;
    for (int64_t j = 0; j < std::min<int64_t>(5, verb.k); ++j) {
      near.push_back(std::to_string(graph.index[i][j].item<int64_t>()));
      far.push_back(fmt::format("{:.3f}", graph.distance[i][j].item<double>()));
    }
    table.rows.push_back({points.rows[i].item<int64_t>(), fmt::format("{}", fmt::join(near, " ")),
                          fmt::format("{}", fmt::join(far, " "))});
  }
  if (points.x.size(0) > kRowsShown) {
    table.note =
        fmt::format("the first {} of {} rows; --save writes all", kRowsShown, points.x.size(0));
  }
  // How often a row is a neighbour: hubs spoil maps.
  const at::Tensor count = at::bincount(graph.index.flatten());
  show({"Nearest neighbours", plain_provenance(), {std::move(table)}}, verb.output,
       {{"n", points.x.size(0)},
        {"k", verb.k},
        {"mean_distance", graph.distance.mean().item<double>()},
        {"mean_distance_to_nearest", graph.distance.select(1, 0).mean().item<double>()},
        {"most_often_a_neighbour", count.max().item<int64_t>()}});
}

}  // namespace

void add_embed_knn(Verb& embed) {
  auto options = std::make_shared<KnnVerb>();
  Verb& verb = embed.verb({"knn",
                           "finds each row's nearest neighbours, exactly",
                           "By brute force in float64; a row is not its own neighbour.",
                           {"weir embed knn --data sae/sae_weights.safetensors:W_dec --metric "
                            "cosine --save g.safetensors"}});
  add_point_source(verb, options->source);
  verb.option("--k", &options->k, "K", "Neighbours of a row", {1});
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "index [n, k] (rows of the file), distance [n, k], rows [n]");
  add_output_options(verb, options->output);
  verb.run([options] { run_knn(*options); });
}

}  // namespace weir::cli
