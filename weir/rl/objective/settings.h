#pragma once

#include <limits>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir::rl {

/// A table of settings read key by key; `finish` refuses keys that nobody read. All errors are
/// kInvalidArgument and name `what`.
class Settings {
 public:
  /// `of`: an object, or null for an empty one; it must outlive this.
  Settings(const nlohmann::json& of, std::string what);

  bool has(const std::string& key) const;
  double number(const std::string& key, double initial,
                double least = std::numeric_limits<double>::lowest());
  bool flag(const std::string& key, bool initial);
  std::string text(const std::string& key, const std::string& initial);
  std::string choice(const std::string& key, const std::string& initial,
                     const std::vector<std::string>& known);
  std::vector<double> numbers(const std::string& key);
  void finish() const;

 private:
  const nlohmann::json* find(const std::string& key);

  const nlohmann::json& of_;
  std::string what_;
  std::set<std::string> read_;
};

}  // namespace weir::rl
