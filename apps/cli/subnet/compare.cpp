#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "apps/cli/subnet/results.h"
#include "weir/subnet/subnet_report.h"

namespace weir::cli {
namespace {

struct CompareVerb {
  ModelOptions model;
  OutputOptions output;
  std::string a, b, save;
  std::string operation = "intersection";
};

Subnetwork combined(const std::string& operation, const Subnetwork& a, const Subnetwork& b) {
  if (operation == "union") return unite(a, b);
  if (operation == "difference") return without(a, b);
  if (operation == "symmetric-difference") return symmetric_difference(a, b);
  return intersect(a, b);
}

void compare(const CompareVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const Subnetwork a = read_mask(verb.a, lm), b = read_mask(verb.b, lm);
  const Overlap shared = overlap(a, b);
  nlohmann::ordered_json document = overlap_json(shared);
  for (const char* operation : {"union", "intersection", "difference", "symmetric-difference"}) {
    document["set_operations"][operation] = combined(operation, a, b).active();
  }
  if (!verb.save.empty()) {
    save_subnetwork(combined(verb.operation, a, b), verb.save,
                    {{"operation", verb.operation}, {"a", verb.a}, {"b", verb.b}});
  }
  Report report{"Shared weights", provenance(lm, verb.model, seconds_since(start)), {}};
  report.blocks.emplace_back(overlap_table(shared, "a", "b"));
  TextBlock text{"Masks", fmt::format("a: {}\nb: {}", verb.a, verb.b)};
  report.blocks.emplace_back(std::move(text));
  show_document(report, verb.output, document);
}

}  // namespace

void add_subnet_compare(Verb& subnet) {
  auto options = std::make_shared<CompareVerb>();
  Verb& verb = subnet.verb(
      {"compare",
       "counts the weights that two masks share, and what chance would give",
       "Chance in closed form: entries drawn at random within each matrix (hypergeometric), and "
       "rows shuffled. Masks as for `subnet eval`.",
       {"weir subnet compare gpt2 --a bigram/mask.safetensors --b largest:0.01"}});
  add_model_options(verb, options->model);
  verb.option("--a", &options->a, "M", "One mask").required();
  verb.option("--b", &options->b, "M", "The other").required();
  verb.choice("--operation", &options->operation,
              {"intersection", "union", "difference", "symmetric-difference"},
              "Of the mask that --save writes");
  add_output_file(verb, "--save", &options->save, "F.safetensors", "Where the combined mask goes");
  add_output_options(verb, options->output);
  verb.run([options] { compare(*options); });
}

}  // namespace weir::cli
