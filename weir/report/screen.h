#pragma once

#include <string>
#include <string_view>

#include "weir/report/color_scale.h"
#include "weir/report/report.h"

/// The terminal as the drawings of report/terminal_*.cpp see it.
namespace weir::report {

/// How wide a line may be and whether it may hold colours. The methods return `text` between ANSI
/// codes (24-bit colours), or as it is when there are no colours.
struct Screen {
  int width = 100;
  bool has_color = false;

  std::string bold(std::string_view text) const;
  std::string dim(std::string_view text) const;
  std::string colored(std::string_view text, Rgb foreground) const;
  /// With black or white letters, whichever can be read.
  std::string on(std::string_view text, Rgb background) const;

  /// The line cut to `width` columns, with a newline. For text without colours.
  std::string line(std::string_view text) const;
  /// Visible, wrapped to the width and dimmed. Ends in a newline; nothing for an empty text.
  std::string note(std::string_view text) const;
};

/// Shows a value without colour: a blank, three shades and a full block for five fifths.
std::string_view shade(double position);
/// A bar of `columns` with the ends' values and what they are of: "0.00 [....] 1.00  probability".
std::string legend(const Screen& screen, const ColorScale& scale, std::string_view label);

// Each drawing is lines that end in a newline and take at most `screen.width` columns. Block titles
// are drawn by the caller.
std::string draw(const TableBlock& table, const Screen& screen);
std::string draw(const HeatMapBlock& map, const Screen& screen);
std::string draw(const CurvesBlock& curves, const Screen& screen);
std::string draw(const HistogramBlock& histogram, const Screen& screen);
std::string draw(const ScatterBlock& scatter, const Screen& screen);
std::string draw(const TokenStripBlock& strip, const Screen& screen);
std::string draw(const PassagesBlock& block, const Screen& screen);
std::string draw(const AttentionBlock& attention, const Screen& screen);
std::string draw(const TextBlock& text, const Screen& screen);
std::string draw(const GraphBlock& graph, const Screen& screen);
std::string draw(const MediaBlock& media, const Screen& screen);
std::string draw(const GroupBlock& group, const Screen& screen);

/// Points, nodes and edges: the terminal says how many, and lists these many of them.
constexpr size_t kMostListed = 20;

}  // namespace weir::report
