#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/subnet/ablations.h"
#include "weir/subnet/geometry.h"
#include "weir/subnet/overlap.h"

/// Results of `weir subnet` as JSON.
namespace weir::cli {

/// {surprisal_pearson, surprisal_spearman, surprisal_pearson_replace, kl, ce, loss, active, ...}
nlohmann::ordered_json evaluation_json(const NamedEvaluation& of);
/// By name.
nlohmann::ordered_json evaluations_json(const std::vector<NamedEvaluation>& all);
/// {"0.q": {size, active}, ...}
nlohmann::ordered_json counts_json(const Subnetwork& mask);
nlohmann::ordered_json geometry_json(const StreamGeometry& of);
nlohmann::ordered_json overlap_json(const Overlap& of);

}  // namespace weir::cli
