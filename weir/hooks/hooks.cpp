#include "weir/hooks/hooks.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fnmatch.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir {

bool glob_matches(std::string_view glob, std::string_view name) {
  return fnmatch(std::string(glob).c_str(), std::string(name).c_str(), 0) == 0;
}

bool broadcasts_to(at::IntArrayRef from, at::IntArrayRef shape) {
  if (from.size() > shape.size()) return false;
  for (size_t i = 1; i <= from.size(); ++i) {
    const int64_t size = from[from.size() - i];
    if (size != 1 && size != shape[shape.size() - i]) return false;
  }
  return true;
}

int HookPoint::add(HookFn function) {
  functions_.emplace_back(next_id_, std::move(function));
  return next_id_++;
}

void HookPoint::remove(int id) {
  functions_.erase(std::remove_if(functions_.begin(), functions_.end(),
                                  [id](const auto& entry) { return entry.first == id; }),
                   functions_.end());
}

at::Tensor HookPoint::operator()(at::Tensor activation, const HookContext& context) const {
  for (const auto& [id, function] : functions_) {
    at::Tensor next = function(activation, context);
    require(next.defined() && next.sizes() == activation.sizes(),
            "hook '{}': expected a tensor of shape {}, got {}", context.name,
            c10::str(activation.sizes()), next.defined() ? c10::str(next.sizes()) : "none");
    activation = std::move(next);
  }
  return activation;
}

Hooks::Hooks(const std::vector<std::string>& names) : names_(names) {
  points_.reserve(names.size());
  for (const std::string& name : names) points_.try_emplace(name);
}

std::vector<std::string> Hooks::match(std::string_view glob) const {
  if (points_.find(std::string(glob)) != points_.end()) return {std::string(glob)};
  std::vector<std::string> matched;
  for (const std::string& name : names_) {
    if (glob_matches(glob, name)) matched.push_back(name);
  }
  if (matched.empty()) {
    fail(ErrorCode::kNotFound, "hooks: no activation is named '{}'{}", glob,
         did_you_mean(glob, names_));
  }
  return matched;
}

std::vector<std::string> Hooks::match(const std::vector<std::string>& globs) const {
  std::vector<bool> chosen(names_.size(), false);
  for (const std::string& glob : globs) {
    match(glob);  // An unknown name is an error even beside known ones.
    for (size_t i = 0; i < names_.size(); ++i) {
      if (glob_matches(glob, names_[i])) chosen[i] = true;
    }
  }
  std::vector<std::string> matched;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (chosen[i]) matched.push_back(names_[i]);
  }
  return matched;
}

HookPoint& Hooks::at(std::string_view name) {
  const auto found = points_.find(std::string(name));
  if (found == points_.end()) {
    fail(ErrorCode::kNotFound, "hooks: no activation is named '{}'{}", name,
         did_you_mean(name, names_));
  }
  return found->second;
}

void Hooks::add(std::string_view glob, const HookFn& function) {
  for (const std::string& name : match(glob)) at(name).add(function);
}

void Hooks::give(std::string_view name, at::Tensor value) {
  at(name);  // An unknown name is an error.
  require(value.defined(), "hooks: the value given for '{}' is undefined", name);
  given_.insert_or_assign(std::string(name), std::move(value));
}

void Hooks::take_back(std::string_view name) { given_.erase(std::string(name)); }

at::Tensor Hooks::given(std::string_view name) const {
  if (given_.empty()) return {};
  const auto found = given_.find(std::string(name));
  return found == given_.end() ? at::Tensor() : found->second;
}

at::Tensor Hooks::given_as(const std::string& name, at::IntArrayRef shape,
                           const at::TensorOptions& options) const {
  const at::Tensor value = given(name);
  if (!value.defined()) return {};
  require(broadcasts_to(value.sizes(), shape),
          "hooks: '{}' has shape {}, the value's shape {} does not fit it", name, c10::str(shape),
          c10::str(value.sizes()));
  return value.to(options).expand(shape);
}

bool Hooks::wants(std::string_view name) const {
  return attached(name) || (!given_.empty() && given_.count(std::string(name)) > 0);
}

bool Hooks::attached(std::string_view name) const {
  const auto found = points_.find(std::string(name));
  return found != points_.end() && !found->second.empty();
}

bool Hooks::attached_between(std::string_view from, std::string_view to) const {
  auto name = std::find(names_.begin(), names_.end(), from);
  if (name == names_.end()) return false;
  for (++name; name != names_.end() && *name != to; ++name) {
    if (attached(*name)) return true;
  }
  return false;
}

bool Hooks::any() const {
  return gives() || std::any_of(points_.begin(), points_.end(),
                                [](const auto& entry) { return !entry.second.empty(); });
}

int64_t Hooks::last_layer(int64_t n_layers) const {
  int64_t last = -1;
  for (const std::string& name : names_) {
    if (!wants(name)) continue;
    if (name.rfind("blocks.", 0) == 0) {
      last = std::max<int64_t>(last, std::stoll(name.substr(7)));
    } else if (name.rfind("ln_final", 0) == 0 || name.rfind("unembed", 0) == 0) {
      last = n_layers;
    }
  }
  return last;
}

at::Tensor Hooks::run(const std::string& name, at::Tensor activation,
                      int64_t first_position) const {
  if (gives()) {
    at::Tensor value = given_as(name, activation.sizes(), activation.options());
    if (value.defined()) activation = std::move(value);
  }
  const auto found = points_.find(name);
  if (found == points_.end() || found->second.empty()) return activation;
  return found->second(std::move(activation), HookContext{name, first_position});
}

ScopedHook::ScopedHook(Hooks& hooks, std::string_view glob, const HookFn& function)
    : hooks_(hooks) {
  for (const std::string& name : hooks.match(glob)) {
    attached_.emplace_back(name, hooks.at(name).add(function));
  }
}

ScopedHook::ScopedHook(Hooks& hooks, std::string_view name, at::Tensor value)
    : hooks_(hooks), given_(name) {
  hooks.give(name, std::move(value));
}

ScopedHook::~ScopedHook() {
  if (!given_.empty()) hooks_.take_back(given_);
  for (const auto& [name, id] : attached_) hooks_.at(name).remove(id);
}

}  // namespace weir
