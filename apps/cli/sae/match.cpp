#include "weir/embed/match.h"

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/io/safetensors.h"
#include "weir/sae/formats/sae_file.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct MatchVerb {
  std::string a, b, by = "decoder", save;
  OutputOptions output;
};

at::Tensor features_of(const std::string& path, const std::string& by) {
  const Sae sae = load_sae(path).sae;
  return by == "decoder" ? flat_decoder(sae) : flat_encoder(sae).t();
}

double share_above(const at::Tensor& values, double least) {
  return (values >= least).to(at::kDouble).mean().item<double>();
}

void run_match(const MatchVerb& verb) {
  const at::Tensor similarity = cosines(features_of(verb.a, verb.by), features_of(verb.b, verb.by));
  const DictionaryMatch found = match(similarity);
  if (!verb.save.empty()) {
    io::write_safetensors(
        verb.save, {to_view("partner", at::tensor(found.partner, at::kLong)),
                    to_view("similarity", found.similarity), to_view("best_of_a", found.best_of_a),
                    to_view("best_of_b", found.best_of_b)});
  }
  const at::Tensor pairs = found.similarity.masked_select(found.similarity.isfinite());
  const nlohmann::ordered_json result{{"features_a", similarity.size(0)},
                                      {"features_b", similarity.size(1)},
                                      {"mcc", found.mcc},
                                      {"share_above_0.7", share_above(pairs, 0.7)},
                                      {"share_above_0.9", share_above(pairs, 0.9)},
                                      {"mean_best_of_a", found.best_of_a.mean().item<double>()},
                                      {"mean_best_of_b", found.best_of_b.mean().item<double>()}};
  TableBlock table{
      "Match", {"figure", "value"}, {}, "mcc: mean cosine of the best one-to-one pairs"};
  for (const auto& [name, value] : result.items())
    table.rows.push_back({name, value.get<double>()});
  HistogramBlock histogram{"Cosine of pairs", "cosine", {}, {}};
  constexpr int64_t kBins = 40;
  const at::Tensor counts = at::histc(pairs, kBins, -1, 1);
  histogram.counts = to_doubles(counts);
  for (int64_t i = 0; i <= kBins; ++i) {
    histogram.edges.push_back(-1 + 2.0 * static_cast<double>(i) / kBins);
  }
  show({"Matched dictionaries", plain_provenance(), {std::move(table), std::move(histogram)}},
       verb.output, result);
}

}  // namespace

void add_sae_match(Verb& sae) {
  auto options = std::make_shared<MatchVerb>();
  Verb& verb = sae.verb(
      {"match",
       "pairs the features of two dictionaries",
       "One to one, so that the sum of cosines is largest (exact). Time grows with the cube of the "
       "features at worst, memory with the square.",
       {"weir sae match seed-0 seed-1 --json"}});
  verb.argument("A", &options->a, "A dictionary")
      .argument("B", &options->b, "Another of the same activation")
      .choice("--by", &options->by, {"decoder", "encoder"}, "Which directions are compared");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "partner, similarity, best_of_a, best_of_b");
  add_output_options(verb, options->output);
  verb.run([options] { run_match(*options); });
}

}  // namespace weir::cli
