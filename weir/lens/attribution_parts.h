#pragma once

#include <string>
#include <vector>

#include "weir/lens/attribution.h"
#include "weir/report/report.h"

namespace weir {

/// Into which parts a logit is taken apart; the parts of each form sum to it.
enum class AttributionForm { kLayer, kHead, kNeuron, kSource };

/// "embed", "pos_embed", "3.attn", "3.mlp", head "3.1", "3.b_O", neuron "3.n17", "3.b_out", source
/// token 5 through head 3.1 "3.1<5", "constant". Values are means over the rows.
struct AttributedPart {
  std::string name;
  double value = 0;
};
std::vector<AttributedPart> attributed_parts(const Attribution& found, AttributionForm form);

/// Source-token strip (of one prompt, where sources were asked for), largest parts, heads by layer,
/// curves by layer. `tokens`: the prompt's, for the strip.
Report attribution_report(const LanguageModel& lm, const Attribution& found, AttributionForm form,
                          const std::vector<int64_t>& tokens);

}  // namespace weir
