#include "weir/nn/kv_cache.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"

namespace weir {
namespace {

at::Tensor grown(const at::Tensor& old, const at::Tensor& like, int64_t used, int64_t capacity) {
  at::Tensor bigger =
      at::empty({like.size(0), capacity, like.size(2), like.size(3)}, like.options());
  if (used > 0) bigger.slice(1, 0, used).copy_(old.slice(1, 0, used));
  return bigger;
}

}  // namespace

std::pair<at::Tensor, at::Tensor> KvCache::append(int64_t layer, const at::Tensor& k,
                                                  const at::Tensor& v) {
  require(!(at::GradMode::is_enabled() && (k.requires_grad() || v.requires_grad())),
          "kv cache: it cannot carry gradients; run without a cache or under at::NoGradGuard");
  const at::NoGradGuard no_grad;
  Layer& entry = layers_.at(layer);
  if (continuations_ > 0) return {joined(entry.k, k), joined(entry.v, v)};
  const int64_t end = length_ + k.size(1);
  const int64_t capacity = entry.k.defined() ? entry.k.size(1) : 0;
  if (capacity < end) {
    const int64_t wanted = std::max<int64_t>({end, 2 * capacity, 64});
    entry.k = grown(entry.k, k, length_, wanted);
    entry.v = grown(entry.v, v, length_, wanted);
  }
  require(entry.k.size(0) == k.size(0), "kv cache: holds {} rows, got {}", entry.k.size(0),
          k.size(0));
  entry.k.slice(1, length_, end).copy_(k);
  entry.v.slice(1, length_, end).copy_(v);
  return {entry.k.slice(1, 0, end), entry.v.slice(1, 0, end)};
}

KvCache KvCache::select(const at::Tensor& index) const {
  KvCache picked(static_cast<int64_t>(layers_.size()));
  picked.length_ = length_;
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i].k.defined()) continue;
    const at::Tensor rows = index.to(layers_[i].k.device());
    picked.layers_[i].k = layers_[i].k.slice(1, 0, length_).index_select(0, rows);
    picked.layers_[i].v = layers_[i].v.slice(1, 0, length_).index_select(0, rows);
  }
  return picked;
}

void KvCache::drop_front(int64_t n) {
  require(n >= 0 && n <= length_, "kv cache: cannot drop {} of {} positions", n, length_);
  for (Layer& entry : layers_) {
    if (!entry.k.defined()) continue;
    entry.k = entry.k.slice(1, n);
    entry.v = entry.v.slice(1, n);
  }
  length_ -= n;
}

void KvCache::join(const KvCache& other) {
  require(
      continuations_ == 0 && other.continuations_ == 0 && layers_.size() == other.layers_.size(),
      "kv cache: only plain caches of one model can be joined");
  const int64_t length = std::max(length_, other.length_);
  const auto together = [&](const at::Tensor& a, const at::Tensor& b) {
    at::Tensor all =
        at::zeros({a.size(0) + b.size(0), length + 64, a.size(2), a.size(3)}, a.options());
    all.slice(0, 0, a.size(0)).slice(1, length - length_, length).copy_(a.slice(1, 0, length_));
    all.slice(0, a.size(0))
        .slice(1, length - other.length_, length)
        .copy_(b.slice(1, 0, other.length_));
    return all;
  };
  for (size_t i = 0; i < layers_.size(); ++i) {
    if (!layers_[i].k.defined()) continue;
    layers_[i].k = together(layers_[i].k, other.layers_[i].k);
    layers_[i].v = together(layers_[i].v, other.layers_[i].v);
  }
  length_ = length;
}

KvCache KvCache::continued(int64_t length, int64_t times) const {
  require(continuations_ == 0 && times > 0, "kv cache: cannot continue {} times", times);
  KvCache shared = *this;
  shared.truncate(length);
  shared.continuations_ = times;
  return shared;
}

at::Tensor KvCache::joined(const at::Tensor& past, const at::Tensor& now) const {
  if (length_ == 0) return now;
  require(past.defined() && now.size(0) == continuations_ * past.size(0),
          "kv cache: expected {} continuations of {} rows, got {} rows", continuations_,
          past.defined() ? past.size(0) : 0, now.size(0));
  at::Tensor all =
      at::empty({now.size(0), length_ + now.size(1), now.size(2), now.size(3)}, now.options());
  all.slice(1, 0, length_)
      .unflatten(0, {continuations_, past.size(0)})
      .copy_(past.slice(1, 0, length_).unsqueeze(0));
  all.slice(1, length_).copy_(now);
  return all;
}

void KvCache::truncate(int64_t length) {
  require(length >= 0 && length <= length_, "kv cache: cannot cut {} positions to {}", length_,
          length);
  length_ = length;
}

}  // namespace weir
