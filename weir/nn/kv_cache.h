#pragma once

#include <vector>

#include <ATen/core/Tensor.h>

namespace weir {

/// Keys and values of the positions already seen, one entry a layer.
/// Grows by doubling, so appending T positions copies T rows.
class KvCache {
 public:
  explicit KvCache(int64_t n_layers) : layers_(n_layers) {}

  int64_t length() const { return length_; }
  /// Adds k, v [B, T, G, K] of a layer; returns all keys and values so far [B, S, G, K], views.
  /// kInvalidArgument when they would need gradients: what is stored is cut off from the graph.
  std::pair<at::Tensor, at::Tensor> append(int64_t layer, const at::Tensor& k, const at::Tensor& v);
  /// Called once after a forward over T positions.
  void advance(int64_t n_positions) { length_ += n_positions; }
  /// The rows `index` (int64 [n]); one may be named several times.
  KvCache select(const at::Tensor& index) const;
  /// Forgets the first `n` positions: pads of every row.
  void drop_front(int64_t n);
  /// Puts the rows of `other` after these. The shorter of both is moved to the right: its first
  /// positions hold zeros, which a mask must hide.
  void join(const KvCache& other);
  /// For one forward over what may follow the first `length` positions: rows b, B + b, 2 B + b, ...
  /// of `times` B all continue row b. A layer's keys are put together when it asks for them and not
  /// kept, so that what the continuations share is held once.
  KvCache continued(int64_t length, int64_t times) const;
  /// Forgets everything from position `length` on.
  void truncate(int64_t length);

 private:
  struct Layer {
    at::Tensor k, v;  ///< [B, capacity, G, K]
  };
  std::vector<Layer> layers_;
  at::Tensor joined(const at::Tensor& past, const at::Tensor& now) const;

  int64_t length_ = 0;
  int64_t continuations_ = 0;  ///< Of each row; 0: the rows themselves, which grow.
};

}  // namespace weir
