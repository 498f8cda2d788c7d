#include "weir/rl/objective/settings.h"

#include <algorithm>

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"

namespace weir::rl {

Settings::Settings(const nlohmann::json& of, std::string what) : of_(of), what_(std::move(what)) {
  require(of.is_null() || of.is_object(), "{}: expected a table of settings", what_);
}

const nlohmann::json* Settings::find(const std::string& key) {
  read_.insert(key);
  if (of_.is_null()) return nullptr;
  const auto at = of_.find(key);
  return at == of_.end() || at->is_null() ? nullptr : &*at;
}

bool Settings::has(const std::string& key) const { return of_.is_object() && of_.contains(key); }

double Settings::number(const std::string& key, double initial, double least) {
  const nlohmann::json* found = find(key);
  if (found == nullptr) return initial;
  require(found->is_number() && found->get<double>() >= least, "{}.{}: expected a number{}, got {}",
          what_, key,
          least > std::numeric_limits<double>::lowest() ? fmt::format(" of {} or more", least) : "",
          found->dump());
  return found->get<double>();
}

bool Settings::flag(const std::string& key, bool initial) {
  const nlohmann::json* found = find(key);
  if (found == nullptr) return initial;
  require(found->is_boolean(), "{}.{}: expected true or false, got {}", what_, key, found->dump());
  return found->get<bool>();
}

std::string Settings::text(const std::string& key, const std::string& initial) {
  const nlohmann::json* found = find(key);
  if (found == nullptr) return initial;
  require(found->is_string(), "{}.{}: expected a text, got {}", what_, key, found->dump());
  return found->get<std::string>();
}

std::string Settings::choice(const std::string& key, const std::string& initial,
                             const std::vector<std::string>& known) {
  const std::string word = text(key, initial);
  require(std::find(known.begin(), known.end(), word) != known.end(),
          "{}.{}: expected {}, got '{}'", what_, key, fmt::join(known, ", "), word);
  return word;
}

std::vector<double> Settings::numbers(const std::string& key) {
  const nlohmann::json* found = find(key);
  if (found == nullptr) return {};
  const bool is_list =
      found->is_array() && std::all_of(found->begin(), found->end(),
                                       [](const auto& number) { return number.is_number(); });
  require(is_list, "{}.{}: expected a list of numbers, got {}", what_, key, found->dump());
  return found->get<std::vector<double>>();
}

void Settings::finish() const {
  if (of_.is_null()) return;
  for (const auto& [key, value] : of_.items()) {
    require(read_.count(key) != 0, "{}: no setting '{}' (it has: {})", what_, key,
            fmt::join(read_, ", "));
  }
}

}  // namespace weir::rl
