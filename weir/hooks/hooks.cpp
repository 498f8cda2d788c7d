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

bool Hooks::wants(std::string_view name) const {
  const auto found = points_.find(std::string(name));
  return found != points_.end() && !found->second.empty();
}

bool Hooks::any() const {
  return std::any_of(points_.begin(), points_.end(),
                     [](const auto& entry) { return !entry.second.empty(); });
}

int64_t Hooks::last_layer(int64_t n_layers) const {
  int64_t last = -1;
  for (const auto& [name, point] : points_) {
    if (point.empty()) continue;
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

ScopedHook::~ScopedHook() {
  for (const auto& [name, id] : attached_) hooks_.at(name).remove(id);
}

}  // namespace weir
