#include "weir/rl/phases.h"

#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/rl/objective/settings.h"

namespace weir::rl {
namespace {

using nlohmann::json;

int64_t end_of(const Phase& phase) {
  return phase.until > 0 ? phase.until : std::numeric_limits<int64_t>::max();
}

Phase phase_of(const std::string& name, json of, int64_t n_layers, double temperature,
               const std::function<int64_t()>& automatic) {
  const std::string what = "phases." + name;
  Phase phase;
  phase.name = name;
  if (const auto globs = of.find("freeze"); globs != of.end()) {
    require(globs->is_array() && std::all_of(globs->begin(), globs->end(),
                                             [](const json& glob) { return glob.is_string(); }),
            "{}.freeze: expected a list of names", what);
    phase.freeze = globs->get<std::vector<std::string>>();
    of.erase("freeze");
  }
  int64_t layer = 0;
  if (of.contains("layer") && of["layer"] == "auto") {
    layer = automatic();
    of.erase("layer");
  }
  Settings settings(of, what);
  const std::string policy =
      settings.choice("policy", "full", {"full", "layer", "attention", "mlp"});
  layer = static_cast<int64_t>(settings.number("layer", static_cast<double>(layer), 0));
  phase.spec = policy_spec(policy, layer, settings.text("norm", "none"), temperature, n_layers);
  phase.until = static_cast<int64_t>(settings.number("until", 0, 0));
  phase.rate_scale = settings.number("rate_scale", 1, 0);
  phase.reset_optimizer = settings.flag("reset_optimizer", false);
  phase.rate_above = settings.number("rate_above", 1, 0);
  phase.above = static_cast<int64_t>(settings.number("above", 0, 0));
  settings.finish();
  return phase;
}

}  // namespace

std::vector<Phase> phases_of(const json& table, int64_t n_layers, double temperature,
                             const std::function<int64_t()>& automatic) {
  std::vector<Phase> phases;
  for (const auto& [name, of] : table.items()) {
    require(of.is_object(), "phases.{}: expected a table", name);
    phases.push_back(phase_of(name, of, n_layers, temperature, automatic));
  }
  if (phases.empty()) {
    Phase all;
    all.name = "full";
    all.spec.temperature = temperature;
    phases.push_back(all);
  }
  std::stable_sort(phases.begin(), phases.end(),
                   [](const Phase& a, const Phase& b) { return end_of(a) < end_of(b); });
  for (size_t i = 1; i < phases.size(); ++i) {
    require(end_of(phases[i - 1]) < end_of(phases[i]), "phases: {} and {} end at the same step",
            phases[i - 1].name, phases[i].name);
  }
  require(phases.back().until == 0, "phases: the last one, {}, must have no 'until'",
          phases.back().name);
  return phases;
}

size_t phase_at(const std::vector<Phase>& phases, int64_t step, size_t floor) {
  size_t i = floor;
  while (i + 1 < phases.size() && step > end_of(phases[i])) ++i;
  return i;
}

}  // namespace weir::rl
