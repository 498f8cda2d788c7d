#pragma once

#include <string_view>

namespace weir::report {

// The files of report/page, put into the library by embed_page.cmake.
extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;

}  // namespace weir::report
