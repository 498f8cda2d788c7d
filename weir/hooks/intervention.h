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
/// `value` is a number, a (nested) list, or {"file": "x.safetensors", "key": "name"}.
struct Intervention {
  enum class Op {
    kReplace,  ///< x = value
    kAdd,      ///< x = x + value
    kScale,    ///< x = x * value
    kProject,  ///< x = x - (x . u) u for each row u of value, made orthonormal first
  };
  std::string where;  ///< Glob of hook names.
  std::optional<std::vector<int64_t>>
      positions;                              ///< In the sequence; negative from the prompt's end.
  std::optional<std::vector<int64_t>> heads;  ///< Only for activations with a head axis.
  std::optional<std::vector<int64_t>> rows;   ///< Batch rows.
  Op op = Op::kReplace;
  at::Tensor value;  ///< Broadcast against the selected slice [rows, positions, (heads,) ...].
  /// Where `value` was read from, as the JSON spells it; then JSON names the file again instead of
  /// spelling out the tensor. Whoever changes `value` resets it.
  struct File {
    std::string file, key;
  };
  std::optional<File> value_file;
};

/// Attaches the interventions, in order, for as long as the returned guards live.
/// `prompt_length` resolves negative positions.
std::vector<std::unique_ptr<ScopedHook>> attach(Hooks& hooks,
                                                const std::vector<Intervention>& interventions,
                                                int64_t prompt_length);

/// From JSON (one object or a list); relative files are found beside `folder`.
std::vector<Intervention> interventions_from_json(const nlohmann::json& json,
                                                  const std::string& folder = ".");
/// The same as JSON. Files keep the names they were read by, relative to the same folder.
nlohmann::json interventions_to_json(const std::vector<Intervention>& interventions);

}  // namespace weir
