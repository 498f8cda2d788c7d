#include <chrono>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/patch/head_scores.h"
#include "weir/recall/head_readings.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kCopiedTokens = 40;  // Each costs two unembeddings for every head.

struct HeadsVerb {
  ModelOptions model;
  OutputOptions output;
  int64_t n = 10, half = 25;
  uint64_t seed = 0;
};

/// Share of some of the tokens that each head writes for when it reads them alone, [L, H]
/// (recall/head_readings.h). NaN for a model of one layer.
at::Tensor copy_score(const LanguageModel& lm, const at::Tensor& rows) {
  const int64_t n_layers = lm.config().n_layers, n_heads = lm.config().n_heads;
  if (n_layers < 2) return at::full({n_layers, n_heads}, NAN, at::kDouble);
  RunOptions run;
  run.cache = CacheOptions{};
  run.cache->names = {"blocks.0.hook_resid_post"};
  run.stop_when_cached = true;
  const at::Tensor some =
      rows.slice(1, 0, std::min<int64_t>(kCopiedTokens / rows.size(0) + 1, rows.size(1)));
  const at::Tensor streams = lm.run({some, {}}, run).cache[run.cache->names[0]].flatten(0, 1);
  std::vector<HeadId> all;
  for (int64_t l = 0; l < n_layers; ++l) {
    for (int64_t h = 0; h < n_heads; ++h) all.push_back({l, h});
  }
  return copy_scores(lm, all, streams, some.flatten()).positive.view({n_layers, n_heads});
}

void heads(const HeadsVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const at::Tensor rows = repeated_rows(lm, verb.n, verb.half, verb.seed);
  const HeadScores scores = head_scores(lm, rows, verb.half);
  const std::vector<std::pair<std::string, at::Tensor>> all = {
      {"induction", scores.induction},
      {"previous_token", scores.previous_token},
      {"duplicate_token", scores.duplicate_token},
      {"attention_to_first", scores.attention_to_first},
      {"entropy", scores.entropy},
      {"copy", copy_score(lm, rows)},
      {"ov_eigenvalue_positivity", ov_eigenvalue_positivity(lm)}};
  Report report{"What heads do on repeated random tokens", {}, {}};
  TableBlock best{
      "Strongest heads", {"score", "first", "second", "third", "fourth", "fifth"}, {}, ""};
  GroupBlock maps{"All heads", {}};
  maps.tabs = true;
  ordered_json result = {{"axes", {"layer", "head"}}};
  for (const auto& [name, values] : all) {
    result[name] = to_json(values);
    maps.blocks.push_back(head_map(name, "score", to_rows(values)));
    std::vector<Cell>& row = best.rows.emplace_back();
    row.emplace_back(name);
    const auto [top, index] = values.flatten().topk(std::min<int64_t>(5, values.numel()));
    for (int64_t i = 0; i < 5; ++i) {
      if (i >= top.numel()) {
        row.emplace_back("");
        continue;
      }
      const auto flat = index[i].item<int64_t>();
      row.emplace_back(fmt::format("{}.{} {:.2f}", flat / values.size(1), flat % values.size(1),
                                   top[i].item<double>()));
    }
  }
  report.blocks.push_back(std::move(best));
  report.blocks.push_back(std::move(maps));
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  show(std::move(report), verb.output, result);
}

}  // namespace

void add_heads(Verb& weir) {
  auto options = std::make_shared<HeadsVerb>();
  Verb& verb = weir.verb(
      {"heads",
       "induction, previous-token, duplicate-token and copying scores of every head",
       "Attention on random tokens that are repeated (Olsson et al. 2022), and whether a head's OV "
       "circuit copies (Elhage et al. 2021).",
       {"weir heads smollm2-135m", "weir heads smollm2-135m -n 20 --half 50 --json"}});
  add_model_options(verb, options->model);
  verb.option("-n", &options->n, "N", "Rows", {1})
      .option("--half", &options->half, "N", "Random tokens that are repeated", {2})
      .option("--seed", &options->seed, "S", "Of the tokens");
  add_output_options(verb, options->output);
  verb.run([options] { heads(*options); });
}

}  // namespace weir::cli
