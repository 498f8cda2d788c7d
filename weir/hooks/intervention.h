#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>
#include <nlohmann/json_fwd.hpp>

#include "weir/hooks/hooks.h"

namespace weir {

/// A change to activations, as a value: the same object works in run, generate and patching, and
/// serialises to JSON:
///
///   {"where": "blocks.5.attn.hook_z", "positions": [-1], "heads": [3], "rows": [0],
///    "op": "replace", "value": 0.0}
///
/// `value` is a number, "-inf", a (nested) list of these, or {"file": "x.safetensors", "key":
/// "name"}. A selection that names nothing or one place twice, and a value that is not a number,
/// are refused (kInvalidArgument).
struct Intervention {
  enum class Op {
    kReplace,  ///< x = value
    kAdd,      ///< x = x + value
    kScale,    ///< x = x * value
    kProject,  ///< x = x + (factor - 1) (x . u) u for each row u of value, made orthonormal first
  };
  std::string where;  ///< Glob of hook names.
  std::optional<std::vector<int64_t>>
      positions;                              ///< In the sequence; negative from the prompt's end.
  std::optional<std::vector<int64_t>> heads;  ///< Only for activations with a head axis.
  std::optional<std::vector<int64_t>> rows;   ///< Batch rows.
  /// Along the last axis: neurons, dimensions; keys of a pattern or of scores (attention knockout),
  /// which count as positions do.
  std::optional<std::vector<int64_t>> components;
  Op op = Op::kReplace;
  double factor = 0;  ///< kProject: what becomes of the part of x in the rows' span; 0: removed.
  /// Broadcast against the selected slice [rows, positions, (heads,) ...]. Or of the shape of the
  /// whole activation over the prompt, as a cache or `weir run --save` holds it: then it is cut by
  /// the same selection (one row of it serves all rows; later positions stay as they are).
  at::Tensor value;
  /// Where `value` was read from, as the JSON spells it; then JSON names the file again instead of
  /// spelling out the tensor. Whoever changes `value` resets it.
  struct File {
    std::string file, key;
  };
  std::optional<File> value_file;
};

/// Attaches the interventions, in order, for as long as the returned guards live.
/// `prompt_length` resolves negative positions. A replacement of whole activations is given
/// (Hooks::give), so that what it replaces is not computed. `grows`: later forwards will extend the
/// sequence past the prompt.
std::vector<std::unique_ptr<ScopedHook>> attach(Hooks& hooks,
                                                const std::vector<Intervention>& interventions,
                                                int64_t prompt_length, bool grows = false);

/// `activation` as the intervention leaves it, for callbacks of one's own; not in place, and
/// differentiable. What this forward does not see of the selected positions is left out.
at::Tensor apply(const Intervention& intervention, const at::Tensor& activation,
                 const HookContext& context, int64_t prompt_length);

/// What of the selections a sequence of `n_positions` does not have, a line for each intervention:
/// positions, or keys of maps, at or past its end. `names`: the model's hook names.
std::vector<std::string> never_reached(const std::vector<Intervention>& interventions,
                                       const std::vector<std::string>& names, int64_t prompt_length,
                                       int64_t n_positions);

/// From JSON (one object or a list); relative files are found beside `folder`.
std::vector<Intervention> interventions_from_json(const nlohmann::json& json,
                                                  const std::string& folder = ".");
/// The same as JSON. Files keep the names they were read by, relative to the same folder.
nlohmann::json interventions_to_json(const std::vector<Intervention>& interventions);

}  // namespace weir
