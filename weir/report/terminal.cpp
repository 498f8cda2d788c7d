#include <algorithm>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/report.h"
#include "weir/report/screen.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

// Narrower than this nothing can be told; lines then exceed the terminal.
constexpr int kLeastWidth = 24;

std::string heading(std::string_view text, const Screen& screen) {
  if (text.empty()) return "";
  std::string lines;
  for (const std::string& line : wrapped(visible(text), screen.width)) {
    lines += screen.bold(line) + '\n';
  }
  return lines;
}

std::string underline(std::string_view title, const Screen& screen) {
  if (title.empty()) return "";
  const int width = std::min(display_width(visible(title)), screen.width);
  return screen.dim(repeated("\u2550", width)) + '\n';
}

std::string provenance_lines(const Provenance& provenance, const Screen& screen) {
  std::string lines;
  for (const auto& [name, value] : fields_of(provenance)) lines += screen.note(name + ": " + value);
  return lines;
}

std::string without_trailing_spaces(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '\n') result.erase(result.find_last_not_of(' ') + 1);
    result += c;
  }
  return result;
}

std::string document(const Report& report, const Screen& screen) {
  std::string lines = heading(report.title, screen) + underline(report.title, screen);
  for (const Block& block : report.blocks) {
    if (!lines.empty()) lines += '\n';
    lines += heading(title_of(block), screen);
    lines += std::visit([&](const auto& any) { return draw(any, screen); }, block);
  }
  const std::string provenance = provenance_lines(report.provenance, screen);
  if (!provenance.empty() && !lines.empty()) lines += '\n';
  lines += provenance;
  return screen.has_color ? lines : without_trailing_spaces(lines);
}

}  // namespace

std::string draw(const TextBlock& text, const Screen& screen) {
  std::string lines;
  for (const std::string& shown : visible_lines(text.text)) {
    for (const std::string& line : wrapped(shown, screen.width)) lines += line + '\n';
  }
  return lines;
}

}  // namespace report

std::string render_terminal(const Report& report, const TerminalOptions& options) {
  report::validate(report);
  const report::Screen screen{std::max(options.width, report::kLeastWidth), options.color};
  return report::document(report, screen);
}

}  // namespace weir
