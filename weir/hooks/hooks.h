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

/// Sees an activation as it passes; returns the tensor that continues (often the same one), of the
/// same shape. It must not write into its argument: caches may hold it.
///
/// With gradients: what is computed from the argument by differentiable operations stays in the
/// graph; `detach()` cuts it; a leaf of one's own (a mask, a steering vector, an SAE's weights)
/// that enters the returned tensor gets its gradient. In run and generate whether a graph is
/// recorded is the caller's grad mode. A backward of one's own inside the function is allowed.
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

  /// States the value of an activation: the forward takes it (broadcast to the activation's shape,
  /// converted to its type) instead of computing it, and does not compute what feeds only it. What
  /// is attached there still sees it. A site before it with something attached keeps being computed
  /// with all that leads from there to the given one, so that no hook is passed over in silence;
  /// so do keys and values for a KV cache. docs/reference/hook_names.md lists what is saved where.
  void give(std::string_view name, at::Tensor value);
  void take_back(std::string_view name);
  /// Undefined where nothing was given.
  at::Tensor given(std::string_view name) const;
  bool gives() const { return !given_.empty(); }
  /// The given value as the activation of that shape; undefined where nothing was given.
  /// kInvalidArgument when it does not broadcast to it.
  at::Tensor given_as(const std::string& name, at::IntArrayRef shape,
                      const at::TensorOptions& options) const;

  /// True when something is attached or given there: expensive activations (per-head results,
  /// attention patterns) are computed only then.
  bool wants(std::string_view name) const;
  /// True when something is attached there (a given value alone is not).
  bool attached(std::string_view name) const;
  /// True when something is attached after `from` and before `to`, in forward order.
  bool attached_between(std::string_view from, std::string_view to) const;
  bool any() const;
  /// The layer after which nothing is attached (so a forward may stop there): -1 for the
  /// embeddings, n_layers when a final hook (ln_final, unembed) is attached.
  int64_t last_layer(int64_t n_layers) const;

  at::Tensor run(const std::string& name, at::Tensor activation, int64_t first_position) const;

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, HookPoint> points_;
  std::unordered_map<std::string, at::Tensor> given_;
};

/// A function and the glob of the places it is attached to, as run and generate take them.
using NamedHook = std::pair<std::string, HookFn>;

/// Attaches (or gives) on construction, detaches (takes back) on destruction.
class ScopedHook {
 public:
  ScopedHook(Hooks& hooks, std::string_view glob, const HookFn& function);
  /// Gives `value` at the one place `name`.
  ScopedHook(Hooks& hooks, std::string_view name, at::Tensor value);
  ~ScopedHook();
  ScopedHook(const ScopedHook&) = delete;
  ScopedHook& operator=(const ScopedHook&) = delete;

 private:
  Hooks& hooks_;
  std::vector<std::pair<std::string, int>> attached_;
  std::string given_;  ///< Empty: nothing.
};

/// Shell-style match: `*` any run, `?` one character, `[a-c]`, `[!x]`; `{i}` is not special.
bool glob_matches(std::string_view glob, std::string_view name);

/// Whether a tensor of shape `from` broadcasts to `shape`, which stays as it is.
bool broadcasts_to(at::IntArrayRef from, at::IntArrayRef shape);

}  // namespace weir
