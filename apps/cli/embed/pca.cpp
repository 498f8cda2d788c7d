#include "weir/embed/pca.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "apps/cli/embed/points.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct PcaVerb {
  PointSource source;
  PointLooks looks;
  OutputOptions output;
  int64_t components = 2;
  std::string save;
};

void run_pca(const PcaVerb& verb) {
  const Points points = read_points(verb.source);
  const PointColors colors = read_looks(verb.looks, points);
  const Pca pca = principal_components(points.x, verb.components);
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save,
                          {to_view("projected", pca.projected),
                           to_view("components", pca.components), to_view("mean", pca.mean),
                           to_view("variance", pca.variance), to_view("rows", points.rows)},
                          {{"method", "PCA"}});
  }
  TableBlock table{"Components", {"component", "variance", "share"}, {}, ""};
  for (int64_t i = 0; i < verb.components; ++i) {
    table.rows.push_back({i, pca.variance[i].item<double>(), pca.variance_share[i].item<double>()});
  }
  Report report{"Principal components", plain_provenance(), {}};
  if (verb.components >= 2) {
    report.blocks.emplace_back(
        scatter_of("PCA", pca.projected, colors, "component 0", "component 1"));
  }
  report.blocks.emplace_back(std::move(table));
  show(std::move(report), verb.output,
       {{"n", points.x.size(0)},
        {"dimensions", points.x.size(1)},
        {"variance", to_json(pca.variance)},
        {"variance_share", to_json(pca.variance_share)}});
}

}  // namespace

void add_embed_pca(Verb& embed) {
  auto options = std::make_shared<PcaVerb>();
  Verb& verb =
      embed.verb({"pca",
                  "projects rows on their principal components",
                  "Variances over n - 1; the entry of largest size of each component is positive.",
                  {"weir embed pca --data sae/sae_weights.safetensors:W_dec --components 10"}});
  add_point_source(verb, options->source);
  verb.option("--components", &options->components, "K", "How many", {1});
  add_point_looks(verb, options->looks);
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "projected, components, mean, variance, rows");
  add_output_options(verb, options->output);
  verb.run([options] { run_pca(*options); });
}

}  // namespace weir::cli
