#pragma once

#include <string>
#include <string_view>

namespace weir::text {

/// Appends `text` as a JSON string. Vocabularies of 50 thousand tokens become JSON at every start
/// of a program, so this goes without a tree of values. Bytes that are no UTF-8 stay as they are
/// and are refused by the reader.
void append_json_string(std::string* json, std::string_view text);

/// The same as a value.
std::string json_string(std::string_view text);

}  // namespace weir::text
