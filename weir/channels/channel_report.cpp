#include <map>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/channels/channels.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

const char* listens(CompositionType type) {
  return type == CompositionType::kQ ? "queries" : type == CompositionType::kK ? "keys" : "values";
}

TableBlock link_table(const ChannelTable& table, const std::string& title) {
  TableBlock block{title,
                   {"writer", "component", "reader", "CS_i", "share of sigma^2", "z", "z in layer",
                    "z random", "found", "CS of heads", "z of heads"},
                   {},
                   ""};
  for (const ChannelLink& link : table.links) {
    block.rows.push_back(
        {link.writer.name(), fmt::format("{}{}", link.component, link.is_degenerate ? "*" : ""),
         link.reader.name(), link.score, link.share, link.z, link.z_in_layer, link.z_analytic,
         link.is_discovery ? "yes" : "", link.head_score, link.head_z});
  }
  block.note =
      "z: among all components that the reader could read; z random: against random directions; "
      "*: singular value shared, only the subspace means something";
  return block;
}

GraphBlock graph(const ChannelTable& table) {
  GraphBlock block;
  block.title = fmt::format("Strongest links into {}", listens(table.type));
  block.x_label = "head";
  block.y_label = "layer";
  block.value_label = "links";
  block.weight_label = "z";
  std::map<HeadId, size_t> index;
  const auto node = [&](const HeadId& head) {
    const auto [at, is_new] = index.emplace(head, block.nodes.size());
    if (is_new) block.nodes.push_back({head.name(), head.layer, head.head, 0, {}});
    block.nodes[at->second].value += 1;
    return at->second;
  };
  std::set<std::pair<size_t, size_t>> seen;
  for (const ChannelLink& link : table.links) {
    const size_t from = node(link.writer), to = node(link.reader);
    if (seen.emplace(from, to).second) block.edges.push_back({from, to, link.z});
  }
  return block;
}

/// Readers (up) by writers (across).
HeatMapBlock pair_map(const std::string& title, const std::string& value_label,
                      const std::string& unit, const at::Tensor& writer_by_reader,
                      std::vector<std::string> ticks) {
  HeatMapBlock map;
  map.title = title;
  map.value_label = value_label;
  map.x_label = "writer" + unit;
  map.y_label = "reader" + unit;
  map.y_up = true;
  map.values = to_rows(writer_by_reader.t());
  map.x_ticks = map.y_ticks = std::move(ticks);
  return map;
}

/// The largest z of any component between heads of two layers.
HeatMapBlock layer_map(const ChannelTable& table) {
  const at::Tensor largest = table.z.z.amax({1, 2, 4});
  return pair_map(fmt::format("Largest z between layers, into {}", listens(table.type)), "z",
                  "'s layer", largest, counted(static_cast<size_t>(largest.size(0))));
}

HeatMapBlock head_pairs(const ChannelTable& table) {
  const at::Tensor& head = table.scores.head;
  std::vector<std::string> names;
  for (int64_t l = 0; l < head.size(0); ++l) {
    for (int64_t h = 0; h < head.size(1); ++h) names.push_back(HeadId{l, h}.name());
  }
  return pair_map(fmt::format("CS of all pairs of heads, into {}", listens(table.type)), "CS", "",
                  head.flatten(0, 1).flatten(1), std::move(names));
}

std::string settings(const LanguageModel& lm, const ChannelOptions& options) {
  std::string text = options.circuits.fold ? "Gains of norms are folded into what reads them"
                                           : "Weights as stored";
  if (is_centred(lm.config(), options.circuits)) text += ", means over d_model taken out";
  if (options.offset) {
    text += fmt::format("; scores of a query {} positions behind the key", *options.offset);
  } else if (lm.config().has_rotary(0)) {
    text += "; rotary embedding left out: the content alone";
  }
  if (lm.config().qk_norm != QkNorm::kNone) text += "; q and k norms by their gains only";
  return text + ".";
}

TableBlock token_table(const std::string& title,
                       const std::vector<std::pair<std::string, double>>& most,
                       const std::vector<std::pair<std::string, double>>& least) {
  TableBlock table{title, {"most", "", "least", ""}, {}, ""};
  for (size_t i = 0; i < most.size(); ++i) {
    table.rows.push_back({most[i].first, most[i].second, least[i].first, least[i].second});
  }
  return table;
}

}  // namespace

Report channel_report(const LanguageModel& lm, const Channels& found,
                      const ChannelOptions& options) {
  Report report;
  report.title = "Channels between heads";
  report.blocks.push_back(TextBlock{"", settings(lm, options)});
  GroupBlock tabs{"By side", {}};
  tabs.tabs = true;
  for (const ChannelTable& table : found.tables) {
    GroupBlock side;
    side.title = fmt::format("{} ({})", name_of(table.type), listens(table.type));
    side.blocks = {
        TextBlock{"",
                  fmt::format("{} of {} components and readers are beyond random directions at "
                              "a false-discovery rate of {:g}.",
                              table.n_discoveries, table.n_tested, options.false_discovery_rate)},
        link_table(table, "Strongest links"), graph(table), layer_map(table), head_pairs(table)};
    tabs.blocks.push_back(std::move(side));
  }
  report.blocks.push_back(std::move(tabs));
  return report;
}

Report component_report(const LanguageModel& lm, const Channels& found,
                        const ChannelOptions& options, const HeadId& head, int64_t component) {
  const HeadComponents& ov = found.components.ov[static_cast<size_t>(head.layer)];
  const ComponentTokens tokens = component_tokens(lm, ov, head.head, component);
  Report report;
  report.title = fmt::format("Component {} of head {}", component, head.name());
  const at::Tensor S = ov.S[head.head].to(at::kDouble);
  report.blocks.push_back(TextBlock{
      "",
      fmt::format("{} sigma {:.4g}, {:.1f} % of the head's sigma^2. Signs: the largest entry of "
                  "what is written is positive.",
                  settings(lm, options), S[component].item<double>(),
                  100 * (S[component].square() / S.square().sum()).item<double>())});
  report.blocks.push_back(
      token_table("Embeddings that it reads (u . W_E)", tokens.reads, tokens.reads_against));
  report.blocks.push_back(
      token_table("Logits that it moves (v, final gain, W_U; norm's scale left out)", tokens.writes,
                  tokens.writes_against));
  for (const ChannelTable& table : found.tables) {
    const at::Tensor z = table.z.z[head.layer][head.head][component];  // [L, H]
    report.blocks.push_back(
        head_map(fmt::format("Who reads it by {}", listens(table.type)), "z", to_rows(z)));
  }
  CurvesBlock spectrum;
  spectrum.title = "Singular values of the head's OV";
  spectrum.x_label = "component";
  spectrum.y_label = "sigma";
  for (int64_t i = 0; i < S.numel(); ++i) spectrum.x.push_back(static_cast<double>(i));
  spectrum.series = {{"sigma", to_doubles(S)}};
  report.blocks.push_back(std::move(spectrum));
  return report;
}

}  // namespace weir
