#pragma once

#include <string>
#include <vector>

#include "weir/report/report.h"
#include "weir/subnet/ablations.h"
#include "weir/subnet/find.h"
#include "weir/subnet/geometry.h"
#include "weir/subnet/overlap.h"

/// Blocks of reports about subnetworks.
namespace weir {

/// Where its entries are: a map of layer by kind of matrix, and the counts.
std::vector<Block> place_blocks(const Subnetwork& subnetwork);
/// What is left, what is lost: one row a mask.
TableBlock ablation_table(const std::vector<NamedEvaluation>& all, const std::string& target);
/// Model against target surprisal of (at most some thousand) tokens.
ScatterBlock surprisal_scatter(const Evaluation& of, const std::string& target);
/// How the masks of a search came to be: losses and what is decided, over the steps.
std::vector<Block> training_blocks(const FoundSubnetwork& found);
/// Searches side by side: what is kept, and how close it comes.
TableBlock search_table(const std::vector<FoundSubnetwork>& all);
/// Shared entries by matrix, with what chance would give.
TableBlock overlap_table(const Overlap& of, const std::string& a, const std::string& b);
/// Median rotation of the maps from every layer, one curve a model; similarity of covariances.
std::vector<Block> geometry_blocks(const std::vector<std::pair<std::string, StreamGeometry>>& all);

}  // namespace weir
