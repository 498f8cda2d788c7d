#pragma once

#include "weir/lm/generate.h"
#include "weir/report/report.h"

namespace weir::cli {

double tokens_per_second(const GenerateResult& result);

/// For every continuation a strip of its tokens coloured by log-probability, and a table of them.
/// Provenance is the caller's to fill.
Report generation_report(const LanguageModel& lm, const std::string& prompt,
                         const GenerateResult& result);

}  // namespace weir::cli
