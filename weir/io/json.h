#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

/// JSON from outside, read strictly. nlohmann's own parser keeps the last of two equal keys, wraps
/// large numbers and nests without limit; these functions do not.
namespace weir::io {

/// Brackets inside brackets that are read or written.
constexpr int kMaxJsonDepth = 64;
constexpr uint64_t kMaxJsonBytes = uint64_t{256} << 20;

/// Parses one JSON value. `what` names the text in messages (a path, "safetensors header of ...").
/// kCorruptData, with line and column, for a syntax error, a key given twice, a number out of
/// range, broken UTF-8, or text beyond the limits above.
nlohmann::json parse_json(std::string_view text, std::string_view what);
/// Parses the file; kNotFound when there is none.
nlohmann::json read_json(const std::filesystem::path& path);

/// The value of `key` in the object. kCorruptData names `what` and the key when it is absent, of
/// another type, or out of range. A number with a fraction or an exponent is no integer.
int64_t get_int(const nlohmann::json& object, std::string_view key, int64_t min, int64_t max,
                std::string_view what = "JSON");
double get_double(const nlohmann::json& object, std::string_view key,
                  std::string_view what = "JSON");
bool get_bool(const nlohmann::json& object, std::string_view key, std::string_view what = "JSON");
std::string get_string(const nlohmann::json& object, std::string_view key,
                       std::string_view what = "JSON");

/// The same, with nothing for a key that is absent or null.
std::optional<int64_t> find_int(const nlohmann::json& object, std::string_view key, int64_t min,
                                int64_t max, std::string_view what = "JSON");
std::optional<double> find_double(const nlohmann::json& object, std::string_view key,
                                  std::string_view what = "JSON");
std::optional<bool> find_bool(const nlohmann::json& object, std::string_view key,
                              std::string_view what = "JSON");
std::optional<std::string> find_string(const nlohmann::json& object, std::string_view key,
                                       std::string_view what = "JSON");

/// Text of a value: one line when `indent` is negative, else indented by so many spaces. Broken
/// UTF-8 in strings becomes U+FFFD. kInvalidArgument when nested deeper than kMaxJsonDepth.
std::string dump_json(const nlohmann::json& value, int indent = -1);
std::string dump_json(const nlohmann::ordered_json& value, int indent = -1);

}  // namespace weir::io
