#pragma once

#include <string_view>

namespace weir {

/// C++20's std::string_view::ends_with.
inline bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace weir
