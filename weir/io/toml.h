#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

/// TOML (toml.io, 1.0) as trees of JSON values: tables are objects, and there are no dates.
namespace weir::io {

/// `what` names the text in messages. kCorruptData, with line and column, for text that is no TOML,
/// for dates and times, and for tables nested deeper than JSON's limit.
nlohmann::json parse_toml(std::string_view text, std::string_view what);
/// kNotFound when there is no such file.
nlohmann::json read_toml(const std::filesystem::path& path);

/// The text of an object: values first, then its tables under their headings. Nulls are left out.
std::string dump_toml(const nlohmann::json& object);

}  // namespace weir::io
