#include "weir/hooks/activation_cache.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir {
namespace {

// The axis that counts query positions: 2 for [B, H, P, S] maps, else 1.
int64_t position_axis(std::string_view name) {
  const bool is_map = name.find("hook_pattern") != std::string_view::npos ||
                      name.find("hook_attn_scores") != std::string_view::npos;
  return is_map ? 2 : 1;
}

}  // namespace

ActivationCache::ActivationCache(CacheOptions options) : options_(std::move(options)) {}

void ActivationCache::attach(Hooks& hooks) {
  for (const std::string& name : hooks.match(options_.names)) {
    hooks.at(name).add([this](const at::Tensor& passing, const HookContext& context) {
      const at::Tensor activation = tracked(passing);
      const auto [entry, is_new] =
          tensors_.insert_or_assign(std::string(context.name), keep(activation, context.name));
      if (is_new) order_.push_back(entry->first);
      return activation;
    });
  }
}

// Without a graph so far (a forward from tokens, frozen weights) the graph starts here.
at::Tensor ActivationCache::tracked(const at::Tensor& activation) const {
  const bool starts_graph =
      options_.gradients && at::GradMode::is_enabled() && !activation.requires_grad();
  return starts_graph ? activation.detach().requires_grad_(true) : activation;
}

at::Tensor ActivationCache::keep(const at::Tensor& activation, std::string_view name) const {
  if (options_.gradients) return activation;
  at::Tensor kept = activation.detach();
  // Norms of whole projections are flattened over positions; a position means nothing there.
  const int64_t axis = position_axis(name);
  if (options_.positions && kept.dim() > 2) {
    std::vector<int64_t> index = *options_.positions;
    for (int64_t& position : index) {
      if (position < 0) position += kept.size(axis);
      require(position >= 0 && position < kept.size(axis),
              "cache: '{}' has {} positions, got position {}", name, kept.size(axis), position);
    }
    kept = kept.index_select(axis, at::tensor(index, at::kLong).to(kept.device()));
  }
  if (options_.dtype) kept = kept.to(*options_.dtype);
  if (options_.device) kept = kept.to(*options_.device);
  return kept;
}

const at::Tensor& ActivationCache::operator[](std::string_view name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    fail(ErrorCode::kNotFound, "cache: '{}' is not among the {} cached activations{}", name,
         order_.size(), did_you_mean(name, order_));
  }
  return found->second;
}

bool ActivationCache::contains(std::string_view name) const {
  return tensors_.find(name) != tensors_.end();
}

std::vector<std::string> ActivationCache::names() const { return order_; }

void ActivationCache::clear() {
  tensors_.clear();
  order_.clear();
}

std::map<std::string, at::Tensor> ActivationCache::gradients(const at::Tensor& metric) const {
  require(options_.gradients, "cache: gradients need CacheOptions::gradients");
  require(metric.numel() == 1 && metric.requires_grad(),
          "cache: expected a scalar metric computed from this forward, got shape {}",
          c10::str(metric.sizes()));
  std::vector<at::Tensor> inputs;
  std::vector<std::string> names;
  for (const std::string& name : order_) {
    const at::Tensor& tensor = tensors_.find(name)->second;
    if (!tensor.requires_grad()) continue;
    inputs.push_back(tensor);
    names.push_back(name);
  }
  const std::vector<at::Tensor> found = torch::autograd::grad(
      {metric}, inputs, {}, /*retain_graph=*/true, /*create_graph=*/false, /*allow_unused=*/true);
  std::map<std::string, at::Tensor> result;
  for (size_t i = 0; i < names.size(); ++i) result[names[i]] = found[i];
  return result;
}

}  // namespace weir
