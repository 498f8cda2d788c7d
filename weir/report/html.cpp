#include <filesystem>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/report/display_text.h"
#include "weir/report/media_files.h"
#include "weir/report/page.h"
#include "weir/report/page_document.h"
#include "weir/report/report.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

PageFrame frame_of(const HtmlOptions& options) {
  require(options.refresh_seconds >= 0,
          "HTML page: expected seconds from 0 on between two refreshes, found {}",
          options.refresh_seconds);
  PageFrame frame;
  frame.refresh_seconds = options.refresh_seconds;
  return frame;
}

}  // namespace

std::string html(const TextBlock& text) {
  std::string page = "<div class=\"text\">";
  for (const std::string& line : visible_lines(text.text)) page += escaped(line) + '\n';
  return page + "</div>\n";
}

}  // namespace report

std::string render_html(const Report& report, const HtmlOptions& options) {
  report::validate(report);
  return report::page_document(report, report::frame_of(options));
}

void write_html(const Report& report, const std::filesystem::path& file,
                const HtmlOptions& options) {
  report::validate(report);
  const report::PageFrame frame = report::frame_of(options);
  if (report::has_large_media(report)) {
    io::write_file(file, report::page_document(report::with_media_beside(report, file), frame));
  } else {
    io::write_file(file, report::page_document(report, frame));
  }
}

}  // namespace weir
