#include "weir/channels/dial.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/channels/component_gains.h"
#include "weir/channels/sweep.h"
#include "weir/lens/attribution.h"
#include "weir/lm/token_batch.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

double share(const at::Tensor& a, const at::Tensor& b) {
  return (a == b).to(at::kDouble).mean().item<double>();
}

/// Share of points at each item [n]; how many items a prompt's points reach, mean.
std::pair<std::vector<double>, double> reached(const at::Tensor& items, int64_t n) {  // [N, A]
  const at::Tensor is_item = items.unsqueeze(2) == at::arange(n, at::kLong);          // [N, A, n]
  return {to_doubles(is_item.to(at::kDouble).mean(c10::IntArrayRef{0, 1})),
          is_item.any(1).sum(1).to(at::kDouble).mean().item<double>()};
}

}  // namespace

Dial dial_of(const RegionMap& map) {
  require(map.measured.defined(), "dial: expected a map that was measured");
  const int64_t n = map.slope.size(1);
  Dial dial;
  dial.n_points = map.measured.size(1);
  dial.agreement = share(map.measured, map.predicted);
  dial.agreement_without_bias = share(map.measured, map.predicted_without_bias);
  std::tie(dial.attended, dial.n_attended) = reached(map.measured, n);
  std::tie(dial.said, dial.n_said) = reached(map.said, n);
  if (map.hull_distance.defined())
    dial.n_hull = (map.hull_distance > 0).sum(1).to(at::kDouble).mean().item<double>();
  return dial;
}

at::Tensor item_positions(const PromptSet& set) {
  const std::vector<int64_t> places = places_of(set);
  const int64_t longest = static_cast<int64_t>([&] {
    size_t length = 0;
    for (const Prompt& p : set.prompts) length = std::max(length, p.clean.tokens.size());
    return length;
  }());
  std::vector<at::Tensor> rows;
  for (size_t i = 0; i < set.prompts.size(); ++i) {
    const RoleTokens& clean = set.prompts[i].clean;
    const int64_t pads = longest - static_cast<int64_t>(clean.tokens.size());
    std::vector<int64_t> row;
    for (int64_t item = 0;; ++item) {
      const std::string role =
          item == places[i] ? "target_first" : fmt::format("item{}_first", item);
      const auto found = clean.roles.find(role);
      if (found == clean.roles.end()) break;
      row.push_back(found->second + pads);
    }
    if (row.size() < 2) {
      fail(ErrorCode::kNotFound,
           "items: expected prompts with the roles target_first and item1_first, as laundry-list "
           "makes them; those of '{}' have none",
           set.task);
    }
    rows.push_back(at::tensor(row, at::kLong));
    require(rows.back().numel() == rows[0].numel(), "items: prompts list {} and {} items",
            rows[0].numel(), rows.back().numel());
  }
  return at::stack(rows);
}

HeadId strongest_writer(const LanguageModel& lm, const PromptSet& set) {
  const at::NoGradGuard no_grad;
  const AttributionTarget target{set.answers(), set.has_wrong() ? set.wrongs() : at::Tensor(),
                                 !set.has_wrong()};
  const at::Tensor head = attribute(lm, left_pad(set.clean_rows()), target).head.mean(2);  // [L, H]
  const int64_t best = head.flatten().argmax().item<int64_t>();
  return {best / head.size(1), best % head.size(1)};
}

std::vector<ComponentId> telling_components(const LanguageModel& lm, const PromptSet& set,
                                            int64_t first_layer, int64_t before, int64_t n,
                                            const CircuitOptions& circuits) {
  require(first_layer < before, "components: expected layers below {}, got {} on", before,
          first_layer);
  at::Tensor gain = GainRows(lm, set, first_layer, circuits).gains({}, true).gain.abs();
  gain = gain.slice(0, first_layer, before);
  const at::Tensor top = std::get<1>(gain.flatten().topk(n));
  std::vector<ComponentId> ids;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t at = top[i].item<int64_t>(), k = gain.size(2), h = gain.size(1);
    ids.push_back({{first_layer + at / (h * k), at / k % h}, at % k});
  }
  return ids;
}

}  // namespace weir
