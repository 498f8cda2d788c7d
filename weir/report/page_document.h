#pragma once

#include <string>

#include "weir/report/report.h"

namespace weir::report {

/// What a page has besides its report.
struct PageFrame {
  /// The folder of page.css and page.js as the page sees it ("../assets/"); "": both are in the
  /// page.
  std::string assets;
  std::string navigation;  ///< Markup above the title.
  std::string list;        ///< Markup after the blocks.
  int refresh_seconds = 0;
};

/// The page. The report must be valid.
std::string page_document(const Report& report, const PageFrame& frame);

/// The files in `PageFrame::assets`.
std::string page_style();
std::string page_script();

}  // namespace weir::report
