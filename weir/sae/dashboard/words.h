#pragma once

#include <string>

#include "weir/sae/dashboard/dashboard.h"

/// Sentences about latents.
namespace weir {

/// "12 %", "0.42 %", "0.0013 %"
std::string percent_text(double share);
/// "' south', ' north' and ' east'"
std::string quoted_tokens(const LanguageModel& lm, const std::vector<int64_t>& tokens);
/// What a newcomer should read first: how often it fires, on what, what it promotes.
std::string summary_text(const LanguageModel& lm, const LatentView& view);

}  // namespace weir
