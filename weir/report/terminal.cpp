#include <algorithm>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/report.h"
#include "weir/report/screen.h"
#include "weir/report/shell_command.h"
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
  for (const auto& [name, value] : fields_of(provenance)) {
    if (name != "command") {
      lines += screen.note(name + ": " + value);
      continue;
    }
    std::string start = name + ": ";
    for (const std::string& line :
         pasteable_lines(value, screen.width, static_cast<int>(start.size()))) {
      lines += screen.dim(start + line) + '\n';
      start.clear();
    }
  }
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

// A blank line before each block but one at the very top.
std::string blocks_text(const std::vector<Block>& blocks, bool is_at_top, const Screen& screen) {
  std::string lines;
  for (const Block& block : blocks) {
    if (!is_at_top || !lines.empty()) lines += '\n';
    lines += heading(title_of(block), screen);
    lines += std::visit([&](const auto& any) { return draw(any, screen); }, block);
  }
  return lines;
}

std::string document(const Report& report, const Screen& screen) {
  std::string lines = heading(report.title, screen) + underline(report.title, screen);
  lines += blocks_text(report.blocks, lines.empty(), screen);
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

std::string draw(const MediaBlock& media, const Screen& screen) {
  if (media.mime.empty()) return screen.note("(no media)");
  const std::string what =
      media.path.empty() ? fmt::format("{} bytes", media.bytes.size()) : media.path;
  return screen.note(media.caption) + screen.note(fmt::format("{}: {}", media.mime, what));
}

std::string draw(const GroupBlock& group, const Screen& screen) {
  if (group.blocks.empty()) return screen.note("(no blocks)");
  if (!group.collapsed) return blocks_text(group.blocks, false, screen);
  std::string titles;
  for (const Block& block : group.blocks) {
    if (title_of(block).empty()) continue;
    titles += (titles.empty() ? ": " : ", ") + title_of(block);
  }
  return screen.note(
      fmt::format("{} blocks in the HTML, JSON and CSV forms{}", group.blocks.size(), titles));
}

}  // namespace report

std::string render_terminal(const Report& report, const TerminalOptions& options) {
  report::validate(report);
  const report::Screen screen{std::max(options.width, report::kLeastWidth), options.color};
  return report::document(report, screen);
}

}  // namespace weir
