#include "weir/text/json_text.h"

#include <fmt/format.h>

namespace weir::text {

void append_json_string(std::string* json, std::string_view text) {
  json->push_back('"');
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      json->push_back('\\');
      json->push_back(character);
    } else if (static_cast<unsigned char>(character) < 0x20) {
      fmt::format_to(std::back_inserter(*json), "\\u{:04x}", static_cast<int>(character));
    } else {
      json->push_back(character);
    }
  }
  json->push_back('"');
}

std::string json_string(std::string_view text) {
  std::string json;
  append_json_string(&json, text);
  return json;
}

}  // namespace weir::text
