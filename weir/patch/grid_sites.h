#pragma once

#include <string>

#include "weir/patch/grids.h"

/// Where the kinds of a grid stand in the model.
namespace weir {

struct GridSite {
  std::string hook;  ///< "attn.hook_z", "hook_resid_pre": within a layer
  bool has_heads = false, is_pattern = false;
};
/// kInvalidArgument for a kind that the model does not have.
GridSite grid_site(const std::string& kind, const ModelConfig& config);

/// One entry of a layer's grid: where the activation [B, T, (H,) ...] or pattern [B, H, T, T] is
/// replaced; -1: everywhere along that axis.
struct GridEntry {
  int64_t position = -1, head = -1, key = -1;
};
/// Entries of a layer in the order of the grid's axes; `shape` is of the activation.
std::vector<GridEntry> grid_entries(const GridSite& site, PatchScope scope, at::IntArrayRef shape);
/// The grid's axes after "layer", and their lengths.
std::vector<std::pair<std::string, int64_t>> grid_axes(const GridSite& site, PatchScope scope,
                                                       at::IntArrayRef shape);
/// The part of an activation that the entry names.
at::Tensor part_of(const at::Tensor& activation, const GridSite& site, const GridEntry& entry);

/// The other run's value as PatchValue says, of the shape of `source` [B, ...].
at::Tensor patch_value(const at::Tensor& source, PatchValue value, const at::Tensor& resample);

}  // namespace weir
