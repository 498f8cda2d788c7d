#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/lens/attribution.h"
#include "weir/lens/attribution_parts.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr size_t kLargest = 20;  // Rows of the table of parts.

/// Each source token: what it gives through all heads.
TokenStripBlock by_source(const LanguageModel& lm, const Attribution& found,
                          const std::vector<int64_t>& tokens) {
  TokenStripBlock strip;
  strip.title = "Source tokens: direct contribution through all heads";
  strip.value_label = "logit";
  for (const int64_t token : tokens) strip.tokens.push_back(lm.token_text(token));
  const at::Tensor sums = found.source.sum(c10::IntArrayRef{0, 1}).select(-1, 0);  // [T]
  strip.values = to_doubles(sums);
  const at::Tensor flat = found.source.select(-1, 0);  // [L, H, T]
  for (int64_t t = 0; t < flat.size(2); ++t) {
    const at::Tensor of_token = flat.select(2, t);
    const auto best = of_token.abs().flatten().argmax().item<int64_t>();
    const int64_t layer = best / flat.size(1), head = best % flat.size(1);
    strip.details.push_back(fmt::format("{:+.3f}, most through head {}.{} ({:+.3f})",
                                        strip.values[t], layer, head,
                                        of_token[layer][head].item<double>()));
  }
  return strip;
}

TableBlock largest_parts(const std::vector<AttributedPart>& parts, double total) {
  std::vector<AttributedPart> sorted = parts;
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::abs(a.value) > std::abs(b.value);
  });
  TableBlock table{"Largest parts", {"part", "logit"}, {}, ""};
  double sum = 0;
  for (const AttributedPart& part : parts) sum += part.value;
  for (size_t i = 0; i < std::min(kLargest, sorted.size()); ++i) {
    table.rows.push_back({sorted[i].name, sorted[i].value});
  }
  table.note = fmt::format("{} parts, which sum to {:.4f}; the logit is {:.4f} (apart by {:.1e})",
                           parts.size(), sum, total, std::abs(sum - total));
  return table;
}

}  // namespace

std::vector<AttributedPart> attributed_parts(const Attribution& found, AttributionForm form) {
  std::vector<AttributedPart> parts;
  const auto add = [&](const std::string& name, const at::Tensor& per_row) {
    parts.push_back({name, per_row.to(at::kDouble).mean().item<double>()});
  };
  add("embed", found.embed);
  if (found.pos_embed.abs().max().item<double>() > 0) add("pos_embed", found.pos_embed);
  for (int64_t layer = 0; layer < found.attn.size(0); ++layer) {
    const bool splits_attn = form == AttributionForm::kHead || form == AttributionForm::kSource;
    if (!splits_attn) add(fmt::format("{}.attn", layer), found.attn[layer]);
    for (int64_t head = 0; splits_attn && head < found.head.size(1); ++head) {
      if (form == AttributionForm::kHead) {
        add(fmt::format("{}.{}", layer, head), found.head[layer][head]);
        continue;
      }
      for (int64_t t = 0; t < found.source.size(2); ++t) {
        add(fmt::format("{}.{}<{}", layer, head, t), found.source[layer][head][t]);
      }
    }
    if (splits_attn && found.b_O[layer].abs().max().item<double>() > 0) {
      add(fmt::format("{}.b_O", layer), found.b_O[layer]);
    }
    if (form != AttributionForm::kNeuron) {
      add(fmt::format("{}.mlp", layer), found.mlp[layer]);
      continue;
    }
    for (int64_t neuron = 0; neuron < found.neuron.size(1); ++neuron) {
      add(fmt::format("{}.n{}", layer, neuron), found.neuron[layer][neuron]);
    }
    if (found.b_out[layer].abs().max().item<double>() > 0) {
      add(fmt::format("{}.b_out", layer), found.b_out[layer]);
    }
  }
  add("constant", found.constant);
  return parts;
}

Report attribution_report(const LanguageModel& lm, const Attribution& found, AttributionForm form,
                          const std::vector<int64_t>& tokens) {
  Report report;
  report.title = "Direct logit attribution";
  if (found.source.defined() && found.source.size(-1) == 1) {
    report.blocks.push_back(by_source(lm, found, tokens));
  }
  report.blocks.push_back(largest_parts(attributed_parts(found, form),
                                        found.total.to(at::kDouble).mean().item<double>()));
  report.blocks.push_back(
      head_map("Heads: direct contribution", "logit", to_rows(found.head.mean(-1))));
  report.blocks.push_back(layer_curves(
      "Layers: what attention and MLP add, and what the stream so far would say", "logit",
      {{"attention", to_doubles(found.attn.mean(1))},
       {"MLP", to_doubles(found.mlp.mean(1))},
       {"stream after the layer", to_doubles(found.accumulated.slice(0, 1).mean(1))}}));
  return report;
}

}  // namespace weir
