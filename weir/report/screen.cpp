#include "weir/report/screen.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"

namespace weir::report {
namespace {

constexpr int kLegendColumns = 20;

std::string between(std::string_view text, std::string_view code) {
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

std::string foreground_code(Rgb color) {
  return fmt::format("38;2;{};{};{}", color.red, color.green, color.blue);
}

}  // namespace

std::string Screen::bold(std::string_view text) const {
  return has_color ? between(text, "1") : std::string(text);
}

std::string Screen::dim(std::string_view text) const {
  return has_color ? between(text, "2") : std::string(text);
}

std::string Screen::colored(std::string_view text, Rgb foreground) const {
  return has_color ? between(text, foreground_code(foreground)) : std::string(text);
}

std::string Screen::on(std::string_view text, Rgb background) const {
  if (!has_color) return std::string(text);
  const Rgb letters = needs_dark_text(background) ? Rgb{0, 0, 0} : Rgb{255, 255, 255};
  return between(text, fmt::format("{};48;2;{};{};{}", foreground_code(letters), background.red,
                                   background.green, background.blue));
}

std::string Screen::line(std::string_view text) const { return truncated(text, width) + '\n'; }

std::string Screen::note(std::string_view text) const {
  if (text.empty()) return "";
  std::string lines;
  for (const std::string& part : wrapped(visible(text), width)) lines += dim(part) + '\n';
  return lines;
}

std::string_view shade(double position) {
  static constexpr std::string_view kShades[] = {" ", "\u2591", "\u2592", "\u2593", "\u2588"};
  if (std::isnan(position)) return "?";
  return kShades[std::min(4, static_cast<int>(position * 5))];
}

std::string legend(const Screen& screen, const ColorScale& scale, std::string_view label) {
  const NumberFormat format = scale.number_format();
  const std::string low = format(scale.low()), high = format(scale.high());
  const int room = screen.width - display_width(low) - display_width(high) - 4;
  const int columns = std::clamp(room, 0, kLegendColumns);
  std::string bar;
  for (int i = 0; i < columns; ++i) {
    const double position = (i + 0.5) / columns;
    bar += screen.has_color ? screen.on(" ", ramp_color(scale.ramp(), position))
                            : std::string(shade(position));
  }
  const std::string end = truncated(fmt::format("{}  {}", high, visible(label)),
                                    screen.width - columns - 4 - display_width(low));
  const char* open = screen.has_color ? " " : " [";
  const char* close = screen.has_color ? " " : "] ";
  return low + open + bar + close + end + '\n';
}

}  // namespace weir::report
