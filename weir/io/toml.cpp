#include "weir/io/toml.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"

namespace {

struct BrokenToml {};

constexpr void take_for_granted(bool holds) {
  if (!holds) throw BrokenToml();
}

}  // namespace

// toml++ 3.3 asserts what a broken text can break ("[" at the end of a line), and without
// assertions goes on with it: they are kept, as exceptions, in every build.
#undef NDEBUG
#define TOML_ASSERT(...) take_for_granted(static_cast<bool>(__VA_ARGS__))
#include <toml++/toml.h>

namespace weir::io {
namespace {

using nlohmann::json;

// TOML has letters of other alphabets in texts and comments alone; toml++ 3.3 runs into what it
// takes for unreachable where they stand elsewhere.
void refuse_odd_letters(std::string_view text, std::string_view what) {
  char quote = 0;  // That of the text we are in.
  bool is_long = false;
  int64_t line = 1;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_triple = text.substr(i, 3) == std::string(3, c);
    if (c == '\n') {
      ++line;
      if (!is_long) quote = 0;
    } else if (quote != 0) {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote && (!is_long || is_triple)) {
        i += is_long ? 2 : 0;
        quote = 0;
        is_long = false;
      }
    } else if (c == '#') {
      i = std::min(text.find('\n', i), text.size()) - 1;
    } else if (c == '"' || c == '\'') {
      quote = c;
      is_long = is_triple;
      i += is_long ? 2 : 0;
    } else if (static_cast<unsigned char>(c) >= 128) {
      fail(ErrorCode::kCorruptData, "{}: line {}: expected letters from A to Z outside of quotes",
           what, line);
    }
  }
}

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
  if (value.is_number_float() && !std::isfinite(value.get<double>())) {
    const double number = value.get<double>();
    return std::isnan(number) ? "nan" : number > 0 ? "inf" : "-inf";
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
  refuse_odd_letters(text, what);
  toml::table table;
  try {
    table = toml::parse(text);
  } catch (const BrokenToml&) {
    fail(ErrorCode::kCorruptData, "{}: expected TOML, found a table or a key without a name", what);
  } catch (const toml::parse_error& error) {
    fail(ErrorCode::kCorruptData, "{}: line {}, column {}: {}", what, error.source().begin.line,
         error.source().begin.column, error.description());
  }
  return object_of(table, what, 0);
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
