#include "weir/io/json.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/mapped_file.h"
#include "weir/io/printable.h"

namespace weir::io {
namespace {

using nlohmann::json;

// Builds the value while it enforces the limits. Returning false makes nlohmann's reader stop;
// `fault` then says why.
class JsonBuilder : public nlohmann::json_sax<json> {
 public:
  json root;
  std::string fault;
  size_t fault_position = 0;

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    // nlohmann hands over whole numbers that exceed 64 bits as rounded floats.
    if (text.find_first_of(".eE") == string_t::npos) {
      return refuse("the integer " + printable(text, 24) + " does not fit 64 bits");
    }
    return add(value);
  }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return refuse("binary values are not JSON"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [place, is_new] = open_.back()->get_ref<json::object_t&>().emplace(name, nullptr);
    if (!is_new) return refuse("the key '" + printable(name) + "' is given twice");
    member_ = &place->second;
    return true;
  }

  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    fault_position = position;
    return refuse(shortened(error.what()));
  }

 private:
  bool refuse(std::string reason) {
    fault = std::move(reason);
    return false;
  }

  // "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error ..." without
  // its first half.
  static std::string shortened(std::string_view text) {
    const size_t reason = text.find(": ");
    if (text.substr(0, 1) == "[" && reason != std::string_view::npos)
      text.remove_prefix(reason + 2);
    return printable(text, 160);
  }

  json* place(json value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    json& parent = *open_.back();
    if (parent.is_array()) return &parent.get_ref<json::array_t&>().emplace_back(std::move(value));
    *member_ = std::move(value);
    return member_;
  }

  bool add(json value) {
    place(std::move(value));
    return true;
  }

  bool open(json container) {
    if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) {
      return refuse("nested deeper than " + std::to_string(kMaxJsonDepth) + " levels");
    }
    // The address stays: a parent is not touched while its child is open.
    open_.push_back(place(std::move(container)));
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<json*> open_;
  json* member_ = nullptr;
};

[[noreturn]] void fail_at(std::string_view text, size_t position, std::string_view what,
                          const std::string& fault) {
  const std::string_view before = text.substr(0, std::min(position, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0.
  fail(ErrorCode::kCorruptData, "{}: not valid JSON at line {}, column {}: {}", what, line,
       before.size() - line_start, fault);
}

// Counts the characters that nlohmann's reader has taken, for messages of our own.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(const char* place, const char** furthest) : place_(place), furthest_(furthest) {}
  reference operator*() const { return *place_; }
  CountingIterator& operator++() {
    *furthest_ = ++place_;
    return *this;
  }
  bool operator==(const CountingIterator& other) const { return place_ == other.place_; }
  bool operator!=(const CountingIterator& other) const { return place_ != other.place_; }

 private:
  const char* place_;
  const char** furthest_;
};

template <typename Json>
int depth_of(const Json& value, int limit) {
  if (!value.is_structured() || limit == 0) return 0;
  int deepest = 0;
  for (const Json& item : value) deepest = std::max(deepest, depth_of(item, limit - 1));
  return deepest + 1;
}

template <typename Json>
std::string dump(const Json& value, int indent) {
  require(depth_of(value, kMaxJsonDepth + 1) <= kMaxJsonDepth,
          "JSON: a value nested deeper than {} levels cannot be written", kMaxJsonDepth);
  return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

// The value, or nullptr when it is absent or null.
const json* find_member(const json& object, std::string_view key, std::string_view what) {
  if (!object.is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object with the key '{}', found {}", what, key,
         object.type_name());
  }
  const auto member = object.find(key);
  return member == object.end() || member->is_null() ? nullptr : &*member;
}

[[noreturn]] void fail_member(std::string_view what, std::string_view key,
                              const std::string& expected, const json& found) {
  const std::string text =
      found.is_structured() ? std::string(found.type_name()) : printable(dump_json(found), 60);
  fail(ErrorCode::kCorruptData, "{}: key '{}': expected {}, found {}", what, key, expected, text);
}

template <typename Value>
Value required(std::optional<Value> value, std::string_view key, std::string_view what) {
  if (!value) fail(ErrorCode::kCorruptData, "{}: the key '{}' is missing", what, key);
  return *std::move(value);
}

}  // namespace

json parse_json(std::string_view text, std::string_view what) {
  if (text.size() > kMaxJsonBytes) {
    fail(ErrorCode::kCorruptData, "{}: {} bytes of JSON, at most {} are read", what, text.size(),
         kMaxJsonBytes);
  }
  JsonBuilder builder;
  const char* furthest = text.data();
  const CountingIterator begin(text.data(), &furthest);
  const CountingIterator end(text.data() + text.size(), &furthest);
  if (!json::sax_parse(begin, end, &builder)) {
    const size_t position = static_cast<size_t>(furthest - text.data());
    fail_at(text, position, what, builder.fault);
  }
  return std::move(builder.root);
}

json read_json(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  return parse_json(file->bytes(), file->path());
}

std::optional<int64_t> find_int(const json& object, std::string_view key, int64_t min, int64_t max,
                                std::string_view what) {
  const json* member = find_member(object, key, what);
  if (member == nullptr) return std::nullopt;
  const bool fits = member->is_number_unsigned()
                        ? member->get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                        : member->is_number_integer();
  if (!fits || member->get<int64_t>() < min || member->get<int64_t>() > max) {
    fail_member(what, key, fmt::format("an integer from {} to {}", min, max), *member);
  }
  return member->get<int64_t>();
}

std::optional<double> find_double(const json& object, std::string_view key, std::string_view what) {
  const json* member = find_member(object, key, what);
  if (member == nullptr) return std::nullopt;
  if (!member->is_number()) fail_member(what, key, "a number", *member);
  return member->get<double>();
}

std::optional<bool> find_bool(const json& object, std::string_view key, std::string_view what) {
  const json* member = find_member(object, key, what);
  if (member == nullptr) return std::nullopt;
  if (!member->is_boolean()) fail_member(what, key, "true or false", *member);
  return member->get<bool>();
}

std::optional<std::string> find_string(const json& object, std::string_view key,
                                       std::string_view what) {
  const json* member = find_member(object, key, what);
  if (member == nullptr) return std::nullopt;
  if (!member->is_string()) fail_member(what, key, "a string", *member);
  return member->get<std::string>();
}

int64_t get_int(const json& object, std::string_view key, int64_t min, int64_t max,
                std::string_view what) {
  return required(find_int(object, key, min, max, what), key, what);
}
double get_double(const json& object, std::string_view key, std::string_view what) {
  return required(find_double(object, key, what), key, what);
}
bool get_bool(const json& object, std::string_view key, std::string_view what) {
  return required(find_bool(object, key, what), key, what);
}
std::string get_string(const json& object, std::string_view key, std::string_view what) {
  return required(find_string(object, key, what), key, what);
}

std::string dump_json(const json& value, int indent) { return dump(value, indent); }
std::string dump_json(const nlohmann::ordered_json& value, int indent) {
  return dump(value, indent);
}

}  // namespace weir::io
