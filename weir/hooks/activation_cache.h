#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/hooks/hooks.h"

namespace weir {

/// What a cache keeps.
struct CacheOptions {
  std::vector<std::string> names = {"*"};         ///< Globs of hook names.
  std::optional<std::vector<int64_t>> positions;  ///< Only these; negative counts from the end.
  std::optional<at::ScalarType> dtype;            ///< Converted on the way in.
  std::optional<at::Device> device;
  /// Keep the graph, so that `gradients()` works; implies no conversion. Where nothing before an
  /// activation needs gradients, the graph starts at it.
  bool gradients = false;
};

/// Activations by hook name. Tensors are the forward's own, not copies, unless an option asks for
/// a conversion or positions.
class ActivationCache {
 public:
  explicit ActivationCache(CacheOptions options = {});

  /// Attaches this cache to `hooks`; every later forward with them overwrites what it holds. The
  /// cache must outlive the hooks' use.
  void attach(Hooks& hooks);

  const at::Tensor& operator[](std::string_view name) const;  ///< kNotFound: nearest names.
  bool contains(std::string_view name) const;
  std::vector<std::string> names() const;  ///< Forward order.
  size_t size() const { return order_.size(); }
  void clear();

  /// d metric / d activation for every cached activation; `metric` is a scalar computed from this
  /// forward's outputs. Needs CacheOptions::gradients. Undefined tensors where it has no influence.
  std::map<std::string, at::Tensor> gradients(const at::Tensor& metric) const;

 private:
  at::Tensor tracked(const at::Tensor& activation) const;
  at::Tensor keep(const at::Tensor& activation, std::string_view name) const;

  CacheOptions options_;
  std::map<std::string, at::Tensor, std::less<>> tensors_;
  std::vector<std::string> order_;
};

}  // namespace weir
