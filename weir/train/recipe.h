#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace weir {

/// What a training is told: a TOML file whose keys may be overridden, read key by key. Each reader
/// names its default, so that `merged` says all that a run depends on, and `finish` finds keys that
/// nobody read. Keys are dotted: "optimizer.rate".
///
///   Recipe recipe = Recipe::read("recipes/tiny.toml");
///   recipe.set("optimizer.rate=1e-3");
///   const double rate = recipe.number("optimizer.rate", 3e-4, 0);
///   recipe.finish();
///   io::write_file(folder / "recipe.toml", recipe.merged());
class Recipe {
 public:
  static constexpr double kMost = std::numeric_limits<double>::max();
  static constexpr int64_t kMostInteger = std::numeric_limits<int64_t>::max();

  static Recipe read(const std::filesystem::path& file);
  /// `folder` is what relative paths in it start from.
  Recipe(const nlohmann::json& tree, std::filesystem::path folder, std::string name);
  Recipe(Recipe&& other) noexcept;
  ~Recipe();

  /// "KEY=VALUE", the value as TOML spells it; what is no TOML is a text. Paths given so start from
  /// the working directory.
  void set(std::string_view assignment);

  bool has(const std::string& key) const;
  /// kInvalidArgument, with the key, for values of another type or outside [least, most].
  int64_t integer(const std::string& key, int64_t initial, int64_t least = 0,
                  int64_t most = kMostInteger);
  double number(const std::string& key, double initial, double least = 0, double most = kMost);
  bool flag(const std::string& key, bool initial);
  std::string text(const std::string& key, const std::string& initial);
  std::vector<double> numbers(const std::string& key, const std::vector<double>& initial);
  std::vector<std::string> texts(const std::string& key, const std::vector<std::string>& initial);
  /// A path or a list of them, made absolute.
  std::vector<std::filesystem::path> paths(const std::string& key);
  /// A whole table; an empty object when there is none.
  nlohmann::json table(const std::string& key);

  /// Names of the tables in that table; their keys are still to be read.
  std::vector<std::string> tables_in(const std::string& key) const;

  /// A key, or a table, that means nothing here because of another one: it may stand there, and
  /// `merged` leaves it out.
  void leave(const std::string& key) { read_.push_back(key); }

  /// kInvalidArgument when the recipe has a key that was not read, with the nearest one that was.
  void finish() const;
  /// As TOML: every key that was read, with the value that was used.
  std::string merged() const;
  /// For messages: the file.
  const std::string& name() const { return name_; }

 private:
  const nlohmann::json* find(const std::string& key) const;
  void note(const std::string& key, const nlohmann::json& value);
  [[noreturn]] void refuse(const std::string& key, const std::string& expected) const;

  struct Trees;
  std::unique_ptr<Trees> trees_;
  std::filesystem::path folder_;
  std::string name_;
  std::vector<std::string> read_, set_;  ///< Keys.
};

}  // namespace weir
