#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <ATen/core/Tensor.h>

/// Named places in the forward pass where activations can be read or replaced. The names are
/// TransformerLens's (docs/reference/hook_names.md), for example "blocks.3.attn.hook_z".
namespace weir {

/// Where in the sequence an activation stands. While generating, a forward sees only the newest
/// positions: index i along the position axis is position `first_position + i` of the sequence.
struct HookContext {
  std::string_view name;
  int64_t first_position = 0;
};

/// Sees an activation as it passes; returns the tensor that continues (often the same one). It
/// must not write into its argument: caches may hold it.
using HookFn = std::function<at::Tensor(const at::Tensor& activation, const HookContext& context)>;

/// One named place and the functions attached to it, run in the order they were added.
class HookPoint {
 public:
  int add(HookFn function);
  void remove(int id);
  bool empty() const { return functions_.empty(); }
  /// Runs the functions. One that changes the shape is refused (kInvalidArgument).
  at::Tensor operator()(at::Tensor activation, const HookContext& context) const;

 private:
  std::vector<std::pair<int, HookFn>> functions_;
  int next_id_ = 0;
};

/// The hook points of one model for one user of it. A forward takes a Hooks by pointer; the model
/// holds none, so that several threads can each run it with hooks of their own. A forward without
/// Hooks costs one branch at each point.
class Hooks {
 public:
  /// `names`: every point of the model (Transformer::hook_names()).
  explicit Hooks(const std::vector<std::string>& names);

  const std::vector<std::string>& names() const { return names_; }
  /// The names that a glob matches ("blocks.*.hook_resid_pre", "*", "blocks.[0-3].attn.hook_z"),
  /// in forward order; none: kNotFound with the nearest names.
  std::vector<std::string> match(std::string_view glob) const;
  std::vector<std::string> match(const std::vector<std::string>& globs) const;

  HookPoint& at(std::string_view name);
  /// Attaches `function` at every name that `glob` matches, for as long as this object lives.
  void add(std::string_view glob, const HookFn& function);

  /// True when something is attached there: expensive activations (per-head results, attention
  /// patterns) are computed only then.
  bool wants(std::string_view name) const;
  bool any() const;
  /// The layer after which nothing is attached (so a forward may stop there): -1 for the
  /// embeddings, n_layers when a final hook (ln_final, unembed) is attached.
  int64_t last_layer(int64_t n_layers) const;

  at::Tensor run(const std::string& name, at::Tensor activation, int64_t first_position) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, HookPoint> points_;
};

/// Attaches on construction, detaches on destruction.
class ScopedHook {
 public:
  ScopedHook(Hooks& hooks, std::string_view glob, const HookFn& function);
  ~ScopedHook();
  ScopedHook(const ScopedHook&) = delete;
  ScopedHook& operator=(const ScopedHook&) = delete;

 private:
  Hooks& hooks_;
  std::vector<std::pair<std::string, int>> attached_;
};

/// Shell-style match: `*` any run, `?` one character, `[a-c]`, `[!x]`; `{i}` is not special.
bool glob_matches(std::string_view glob, std::string_view name);

}  // namespace weir
