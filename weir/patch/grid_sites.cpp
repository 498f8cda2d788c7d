#include "weir/patch/grid_sites.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "weir/base/error.h"

namespace weir {

std::vector<std::string> patch_kinds(const ModelConfig& config) {
  std::vector<std::string> kinds = {"resid_pre", "resid_mid",   "resid_post", "attn_out",
                                    "mlp_out",   "head_z",      "head_q",     "head_k",
                                    "head_v",    "head_pattern"};
  if (config.parallel_block) kinds.erase(kinds.begin() + 1);
  return kinds;
}

GridSite grid_site(const std::string& kind, const ModelConfig& config) {
  const auto kinds = patch_kinds(config);
  require(std::find(kinds.begin(), kinds.end(), kind) != kinds.end(),
          "patch: expected a kind of {}, got '{}'", fmt::join(kinds, ", "), kind);
  const bool has_heads = kind.rfind("head_", 0) == 0;
  return {has_heads ? "attn.hook_" + kind.substr(5) : "hook_" + kind, has_heads,
          kind == "head_pattern"};
}

std::vector<std::pair<std::string, int64_t>> grid_axes(const GridSite& site, PatchScope scope,
                                                       at::IntArrayRef shape) {
  require(scope != PatchScope::kEdge || site.is_pattern,
          "patch: expected the kind head_pattern for single edges");
  if (site.is_pattern) {
    std::vector<std::pair<std::string, int64_t>> axes = {{"head", shape[1]}};
    const bool is_by_query = scope == PatchScope::kPosition || scope == PatchScope::kEdge;
    if (is_by_query) axes.emplace_back("query", shape[2]);
    if (scope == PatchScope::kEdge) axes.emplace_back("key", shape[3]);
    return axes;
  }
  std::vector<std::pair<std::string, int64_t>> axes;
  if (scope == PatchScope::kPosition) axes.emplace_back("position", shape[1]);
  if (site.has_heads) axes.emplace_back("head", shape[2]);
  return axes;
}

std::vector<GridEntry> grid_entries(const GridSite& site, PatchScope scope, at::IntArrayRef shape) {
  std::vector<GridEntry> entries = {{}};
  if (scope == PatchScope::kEnd) entries[0].position = shape[site.is_pattern ? 2 : 1] - 1;
  for (const auto& [axis, length] : grid_axes(site, scope, shape)) {
    std::vector<GridEntry> finer;
    for (const GridEntry& entry : entries) {
      for (int64_t i = 0; i < length; ++i) {
        GridEntry one = entry;
        (axis == "head" ? one.head : axis == "key" ? one.key : one.position) = i;
        finer.push_back(one);
      }
    }
    entries = std::move(finer);
  }
  return entries;
}

at::Tensor part_of(const at::Tensor& activation, const GridSite& site, const GridEntry& entry) {
  const auto pick = [](const at::Tensor& from, int64_t axis, int64_t index) {
    return index < 0 ? from : from.narrow(axis, index, 1);
  };
  if (site.is_pattern) {
    return pick(pick(pick(activation, 1, entry.head), 2, entry.position), 3, entry.key);
  }
  const at::Tensor part = pick(activation, 1, entry.position);
  return site.has_heads ? pick(part, 2, entry.head) : part;
}

at::Tensor patch_value(const at::Tensor& source, PatchValue value, const at::Tensor& resample) {
  switch (value) {
    case PatchValue::kPerPrompt:
      return source;
    case PatchValue::kMean:
      return source.mean(0, true).expand_as(source);
    case PatchValue::kMeanAll:
      return source.mean(c10::IntArrayRef{0, 1}, true).expand_as(source);
    case PatchValue::kZero:
      return at::zeros_like(source);
    case PatchValue::kResample:
      require(resample.defined() && resample.numel() == source.size(0),
              "patch: expected the prompt whose values each of {} prompts receives",
              source.size(0));
      return source.index_select(0, resample);
  }
  fail(ErrorCode::kInternal, "patch: unknown value");
}

}  // namespace weir
