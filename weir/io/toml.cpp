#include "weir/io/toml.h"

#include <algorithm>
#include <cctype>

#include <nlohmann/json.hpp>
#include <toml++/toml.h>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"

namespace weir::io {
namespace {

using nlohmann::json;

json to_json(const toml::node& node, std::string_view what, int depth);

json object_of(const toml::table& table, std::string_view what, int depth) {
  if (depth > kMaxJsonDepth) {
    fail(ErrorCode::kCorruptData, "{}: expected tables nested at most {} deep", what,
         kMaxJsonDepth);
  }
  json object = json::object();
  for (const auto& [key, value] : table) {
    object[std::string(key.str())] = to_json(value, what, depth + 1);
  }
  return object;
}

json to_json(const toml::node& node, std::string_view what, int depth) {
  if (const toml::table* table = node.as_table()) return object_of(*table, what, depth);
  if (const toml::array* array = node.as_array()) {
    json list = json::array();
    for (const toml::node& value : *array) list.push_back(to_json(value, what, depth + 1));
    return list;
  }
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto integer = node.value_exact<int64_t>()) return *integer;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto flag = node.value_exact<bool>()) return *flag;
  fail(ErrorCode::kCorruptData, "{}: line {}: expected a text, a number, true, false or a list",
       what, node.source().begin.line);
}

std::string key_text(const std::string& key) {
  const bool is_bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return c < 128 && (std::isalnum(c) != 0 || c == '_' || c == '-');
  });
  return is_bare ? key : dump_json(json(key));
}

std::string value_text(const json& value) {
  if (value.is_array()) {
    std::string text = "[";
    for (const json& entry : value) text += (text.size() > 1 ? ", " : "") + value_text(entry);
    return text + "]";
  }
  if (value.is_object()) {
    std::string text = "{";
    for (const auto& [key, entry] : value.items()) {
      text += (text.size() > 1 ? ", " : " ") + key_text(key) + " = " + value_text(entry);
    }
    return text + " }";
  }
  return dump_json(value);
}

void append_table(const json& table, const std::string& heading, std::string* out) {
  for (const auto& [key, value] : table.items()) {
    if (value.is_object() || value.is_null()) continue;
    *out += key_text(key) + " = " + value_text(value) + "\n";
  }
  for (const auto& [key, value] : table.items()) {
    if (!value.is_object()) continue;
    const std::string inner = heading.empty() ? key_text(key) : heading + "." + key_text(key);
    *out += (out->empty() ? "[" : "\n[") + inner + "]\n";
    append_table(value, inner, out);
  }
}

}  // namespace

json parse_toml(std::string_view text, std::string_view what) {
  try {
    return object_of(toml::parse(text), what, 0);
  } catch (const toml::parse_error& error) {
    fail(ErrorCode::kCorruptData, "{}: line {}, column {}: {}", what, error.source().begin.line,
         error.source().begin.column, error.description());
  }
}

json read_toml(const std::filesystem::path& path) {
  return parse_toml(MappedFile::open(path)->bytes(), path.string());
}

std::string dump_toml(const json& object) {
  std::string text;
  append_table(object, "", &text);
  return text;
}

}  // namespace weir::io
