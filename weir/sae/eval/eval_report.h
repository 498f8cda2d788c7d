#pragma once

#include <string>
#include <vector>

#include "weir/report/report.h"
#include "weir/sae/eval/comparison.h"
#include "weir/sae/eval/suite.h"

namespace weir {

/// Pages of one dictionary: its numbers with intervals, densities, probes by label, letters.
std::vector<Block> evaluation_blocks(const SuiteResult& result, const Sae& sae,
                                     const std::string& name, uint64_t seed);

/// A table of arms by metrics, one of differences from the first arm with their verdicts, and
/// explained variance against living latents, a point a dictionary.
std::vector<Block> comparison_blocks(const std::vector<ComparedArm>& arms,
                                     const std::vector<ComparedMetric>& metrics);

}  // namespace weir
