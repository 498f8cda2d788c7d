#include <cmath>
#include <limits>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/lens/logit_lens.h"
#include "weir/report/display_text.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr int64_t kTableColumns = 5;

// "blocks.3.hook_resid_mid" -> "3 mid"; the stream that leaves a block is just its number.
std::string short_name(const std::string& point) {
  const std::string layer = point.substr(7, point.find('.', 7) - 7);
  const std::string site = point.substr(point.rfind('_') + 1);
  if (site == "post") return layer;
  if (site == "pre" && layer == "0") return "embed";
  return layer + " " + site;
}

std::vector<std::string> short_names(const LensResult& result) {
  std::vector<std::string> names;
  for (const std::string& point : result.points) names.push_back(short_name(point));
  return names;
}

TokenStripBlock token_strip(const LensResult& result) {
  TokenStripBlock strip;
  strip.title = "Prompt: surprisal of each token";
  strip.value_label = "surprisal (nats)";
  strip.tokens = result.token_text;
  // Nothing predicts the first token.
  strip.values.push_back(std::numeric_limits<double>::quiet_NaN());
  strip.details.push_back("not predicted");
  const std::vector<double> log_probs = to_doubles(result.output_log_prob);
  for (int64_t i = 0; i < result.output_rank.size(0); ++i) {
    strip.values.push_back(-log_probs[i]);
    strip.details.push_back(fmt::format("{:.3f} nats, p = {:.4f}, rank {}", -log_probs[i],
                                        std::exp(log_probs[i]),
                                        result.output_rank[i].item<int64_t>()));
  }
  return strip;
}

HeatMapBlock layer_map(const LanguageModel& lm, const LensResult& result) {
  HeatMapBlock map;
  map.title = "Most probable next token by layer and position";
  map.x_label = "token read";
  map.y_label = "stream after layer";
  map.value_label = "probability of the token shown";
  map.x_ticks = result.token_text;
  map.y_ticks = short_names(result);
  map.range = std::pair<double, double>(0, 1);
  const int64_t n_positions = result.top_ids.size(1);
  for (int64_t i = 0; i < result.top_ids.size(0); ++i) {
    map.values.push_back(to_doubles(result.top_log_probs[i].select(1, 0).exp()));
    std::vector<std::string>& row = map.cell_text.emplace_back();
    for (int64_t t = 0; t < n_positions; ++t) {
      row.push_back(lm.token_text(result.top_ids[i][t][0].item<int64_t>()));
    }
  }
  return map;
}

TableBlock output_table(const LanguageModel& lm, const LensResult& result) {
  TableBlock table;
  table.title = "Next token at the last position";
  table.columns = {"rank", "token", "id", "probability", "log-probability (nats)"};
  const at::Tensor ids = result.output_top_ids[-1];
  const at::Tensor log_probs = result.output_top_log_probs[-1];
  for (int64_t k = 0; k < ids.size(0); ++k) {
    const auto id = ids[k].item<int64_t>();
    const auto log_prob = log_probs[k].item<double>();
    table.rows.push_back({k + 1, lm.token_text(id), id, std::exp(log_prob), log_prob});
  }
  return table;
}

TableBlock layer_table(const LanguageModel& lm, const LensResult& result) {
  TableBlock table;
  table.title = "Last position, layer by layer";
  table.columns = {"layer", "entropy", "KL"};
  const int64_t n_top = std::min(kTableColumns, result.top_ids.size(2));
  for (int64_t k = 0; k < n_top; ++k) table.columns.push_back("top " + std::to_string(k + 1));
  const std::vector<std::string> names = short_names(result);
  for (int64_t i = 0; i < static_cast<int64_t>(names.size()); ++i) {
    std::vector<Cell> row = {names[i], result.entropy[i][-1].item<double>(),
                             result.kl_to_final[i][-1].item<double>()};
    for (int64_t k = 0; k < n_top; ++k) {
      // Marked here: in the cell the gap before the probability would look like part of the token.
      const std::string token = lm.token_text(result.top_ids[i][-1][k].item<int64_t>());
      row.emplace_back(fmt::format("{} {:.3f}", report::visible(token, report::Spaces::kMarked),
                                   std::exp(result.top_log_probs[i][-1][k].item<double>())));
    }
    table.rows.push_back(std::move(row));
  }
  table.note = "Entropy and KL(output || lens) in nats; then tokens, each with its probability.";
  return table;
}

// values [N, T] over the streams, at the last position and on average.
CurvesBlock stream_curves(const std::string& title, const std::string& y_label,
                          const at::Tensor& values) {
  CurvesBlock curves = layer_curves(title, y_label,
                                    {{"last position", to_doubles(values.select(1, -1))},
                                     {"mean over positions", to_doubles(values.mean(1))}});
  curves.x_label = "stream read (0: the first of the map above)";
  return curves;
}

}  // namespace

Report lens_report(const LanguageModel& lm, const LensResult& result) {
  require(result.top_ids.defined() && result.top_ids.size(2) > 0,
          "lens report: expected a result with top tokens, got top_k = 0");
  Report report;
  report.title = result.tuned        ? "Tuned lens"
                 : result.final_norm ? "Logit lens"
                                     : "Logit lens without the final norm";
  report.blocks = {token_strip(result),
                   layer_map(lm, result),
                   output_table(lm, result),
                   layer_table(lm, result),
                   stream_curves("Entropy by layer", "entropy (nats)", result.entropy),
                   stream_curves("Distance to the model's output by layer",
                                 "KL(output || lens) (nats)", result.kl_to_final)};
  return report;
}

}  // namespace weir
