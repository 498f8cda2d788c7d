#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "weir/report/report.h"

/// Many pages with an index: one a feature, a prompt or a head, where one page could not hold all.
///
/// The folder can be opened from a disk, without a server and without a network. It holds
/// index.html with a list that sorts and searches, pages/000000.html and so on, each with links to
/// its neighbours and to the index, and what they share (assets, list). 16,000 pages are fine: the
/// list is loaded in pieces when it is wanted, and shows a hundred lines at a time.
namespace weir {

/// A line of the index; the page has its own title.
struct SiteEntry {
  std::string title;
  std::vector<Cell> values;  ///< As many as the site has `columns`. Strings can be searched.
};

struct Site {
  Report index;                      ///< Stands above the list.
  std::vector<std::string> columns;  ///< Names of the entries' values.
  std::vector<SiteEntry> entries;    ///< One a page.
};

struct SiteOptions {
  /// Pages that an interrupted call with the same entries, columns and provenance (but for the
  /// time it took) wrote are kept, not made again.
  bool resume = true;
  std::function<void(size_t done)> on_page;  ///< For progress: pages that are there.
};

struct SiteResult {
  size_t written = 0, kept = 0;  ///< Pages.
};

/// Where page i lies, from the folder: "pages/000012.html". From one page to another the same
/// without "pages/".
std::string site_page(size_t i);

/// Asks `page_of` for page 0, 1, ... and writes each before it asks for the next. Every file
/// appears complete or not at all; index.html comes last, so where there is one, all pages are.
/// Stops with kInterrupted between pages; what was written stays. kUnavailable when the disk gives
/// trouble.
SiteResult write_site(const Site& site, const std::function<Report(size_t i)>& page_of,
                      const std::filesystem::path& folder, const SiteOptions& options = {});

}  // namespace weir
