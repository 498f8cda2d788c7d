#include "weir/train/recipe.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/io/json.h"
#include "weir/io/toml.h"

namespace weir {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

json::json_pointer pointer_to(const std::string& key) {
  std::string path = "/" + key;
  std::replace(path.begin(), path.end(), '.', '/');
  return json::json_pointer(path);
}

// Keys of all values that are no tables.
void list_keys(const json& tree, const std::string& prefix, std::vector<std::string>* keys) {
  for (const auto& [name, value] : tree.items()) {
    const std::string key = prefix.empty() ? name : prefix + "." + name;
    if (value.is_object() && !value.empty()) {
      list_keys(value, key, keys);
    } else {
      keys->push_back(key);
    }
  }
}

bool starts_with(const std::string& text, const std::string& start) {
  return text.compare(0, start.size(), start) == 0;
}

json value_of(const std::string& text) {
  try {
    return io::parse_toml("value = " + text, "").at("value");
  } catch (const Error&) {
    return text;
  }
}

}  // namespace

// What was given, and what was used of it.
struct Recipe::Trees {
  json given, used = json::object();
};

Recipe Recipe::read(const fs::path& file) {
  return Recipe(io::read_toml(file), fs::absolute(file).parent_path(), file.string());
}

Recipe::Recipe(const json& tree, fs::path folder, std::string name)
    : trees_(std::make_unique<Trees>()), folder_(std::move(folder)), name_(std::move(name)) {
  trees_->given = tree;
}

Recipe::Recipe(Recipe&& other) noexcept = default;
Recipe::~Recipe() = default;

void Recipe::set(std::string_view assignment) {
  const size_t equals = assignment.find('=');
  const std::string key(assignment.substr(0, equals));
  require(equals != std::string_view::npos && !key.empty() && key.front() != '.' &&
              key.back() != '.' && key.find("..") == std::string::npos,
          "recipe: expected KEY=VALUE, such as optimizer.rate=1e-3; found '{}'", assignment);
  try {
    trees_->given[pointer_to(key)] = value_of(std::string(assignment.substr(equals + 1)));
  } catch (const json::exception&) {
    fail(ErrorCode::kInvalidArgument, "recipe: '{}' is no key: a value stands where its table is",
         key);
  }
  set_.push_back(key);
}

const json* Recipe::find(const std::string& key) const {
  const json::json_pointer pointer = pointer_to(key);
  return trees_->given.contains(pointer) ? &trees_->given.at(pointer) : nullptr;
}

bool Recipe::has(const std::string& key) const { return find(key) != nullptr; }

void Recipe::note(const std::string& key, const json& value) {
  read_.push_back(key);
  trees_->used[pointer_to(key)] = value;
}

void Recipe::refuse(const std::string& key, const std::string& expected) const {
  fail(ErrorCode::kInvalidArgument, "{}: {}: expected {}, found {}", name_, key, expected,
       io::dump_json(*find(key)));
}

int64_t Recipe::integer(const std::string& key, int64_t initial, int64_t least, int64_t most) {
  int64_t value = initial;
  if (const json* found = find(key)) {
    const std::string expected = most == kMostInteger
                                     ? fmt::format("a whole number of {} or more", least)
                                     : fmt::format("a whole number from {} to {}", least, most);
    if (!found->is_number_integer()) refuse(key, expected);
    value = found->get<int64_t>();
    if (value < least || value > most) refuse(key, expected);
  }
  note(key, value);
  return value;
}

double Recipe::number(const std::string& key, double initial, double least, double most) {
  double value = initial;
  if (const json* found = find(key)) {
    const std::string expected = most == kMost ? fmt::format("a number of {} or more", least)
                                               : fmt::format("a number from {} to {}", least, most);
    if (!found->is_number()) refuse(key, expected);
    value = found->get<double>();
    if (!(value >= least && value <= most)) refuse(key, expected);
  }
  note(key, value);
  return value;
}

bool Recipe::flag(const std::string& key, bool initial) {
  const json* found = find(key);
  if (found != nullptr && !found->is_boolean()) refuse(key, "true or false");
  const bool value = found == nullptr ? initial : found->get<bool>();
  note(key, value);
  return value;
}

std::string Recipe::text(const std::string& key, const std::string& initial) {
  const json* found = find(key);
  if (found != nullptr && !found->is_string()) refuse(key, "a text");
  const std::string value = found == nullptr ? initial : found->get<std::string>();
  note(key, value);
  return value;
}

std::vector<double> Recipe::numbers(const std::string& key, const std::vector<double>& initial) {
  std::vector<double> values = initial;
  if (const json* found = find(key)) {
    if (!found->is_array()) refuse(key, "a list of numbers");
    values.clear();
    for (const json& value : *found) {
      if (!value.is_number()) refuse(key, "a list of numbers");
      values.push_back(value.get<double>());
    }
  }
  note(key, values);
  return values;
}

std::vector<std::string> Recipe::texts(const std::string& key,
                                       const std::vector<std::string>& initial) {
  std::vector<std::string> values = initial;
  if (const json* found = find(key)) {
    const json list = found->is_string() ? json::array({*found}) : *found;
    if (!list.is_array()) refuse(key, "a text or a list of texts");
    values.clear();
    for (const json& value : list) {
      if (!value.is_string()) refuse(key, "a text or a list of texts");
      values.push_back(value.get<std::string>());
    }
  }
  note(key, values);
  return values;
}

std::vector<fs::path> Recipe::paths(const std::string& key) {
  const bool is_set = std::find(set_.begin(), set_.end(), key) != set_.end();
  std::vector<fs::path> found;
  std::vector<std::string> spelled;
  for (const std::string& path : texts(key, {})) {
    found.push_back(fs::absolute(is_set ? fs::path(path) : folder_ / path).lexically_normal());
    spelled.push_back(found.back().string());
  }
  note(key, spelled);
  return found;
}

json Recipe::table(const std::string& key) {
  const json* found = find(key);
  if (found != nullptr && !found->is_object()) refuse(key, "a table");
  const json value = found == nullptr ? json::object() : *found;
  note(key, value);
  return value;
}

std::vector<std::string> Recipe::tables_in(const std::string& key) const {
  std::vector<std::string> names;
  const json* found = find(key);
  if (found == nullptr || !found->is_object()) return names;
  for (const auto& [name, value] : found->items()) {
    if (value.is_object()) names.push_back(name);
  }
  return names;
}

void Recipe::finish() const {
  std::vector<std::string> keys;
  list_keys(trees_->given, "", &keys);
  for (const std::string& key : keys) {
    const bool is_read = std::any_of(read_.begin(), read_.end(), [&](const std::string& known) {
      return key == known || starts_with(key, known + ".") || starts_with(known, key + ".");
    });
    if (is_read) continue;
    fail(ErrorCode::kInvalidArgument, "{}: '{}' is not a key of such a recipe{}", name_, key,
         did_you_mean(key, read_));
  }
}

std::string Recipe::merged() const { return io::dump_toml(trees_->used); }

}  // namespace weir
