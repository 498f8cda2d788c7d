#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/number_text.h"
#include "weir/report/screen.h"

namespace weir::report {
namespace {

constexpr int kEighths = 8;

// A bar of whole blocks and one of one to seven eighths.
std::string bar(double columns) {
  static constexpr std::string_view kParts[kEighths] = {"",       "\u258f", "\u258e", "\u258d",
                                                        "\u258c", "\u258b", "\u258a", "\u2589"};
  const int eighths = static_cast<int>(std::lround(columns * kEighths));
  // Something counted must not look like nothing.
  const int shown = columns > 0 ? std::max(1, eighths) : 0;
  return repeated("\u2588", shown / kEighths) + std::string(kParts[shown % kEighths]);
}

}  // namespace

std::string draw(const HistogramBlock& histogram, const Screen& screen) {
  if (histogram.counts.empty()) return screen.note("(no values)");
  const auto edge_text = NumberFormat::of(histogram.edges);
  const auto count_text = NumberFormat::of(histogram.counts);
  std::vector<std::string> edges, counts;
  for (const double edge : histogram.edges) edges.push_back(edge_text(edge));
  for (const double count : histogram.counts) counts.push_back(count_text(count));
  const int edge_width = display_width(edges), count_width = display_width(counts);
  const int room = screen.width - 2 * edge_width - count_width - 6;
  const double largest = *std::max_element(histogram.counts.begin(), histogram.counts.end());
  std::string lines = screen.note(histogram.x_label);
  for (size_t i = 0; i < counts.size(); ++i) {
    const std::string label =
        fmt::format("{} \u2026 {}  {}", fitted(edges[i], edge_width, Align::kRight),
                    fitted(edges[i + 1], edge_width, Align::kRight),
                    fitted(counts[i], count_width, Align::kRight));
    const double part = largest == 0 ? 0 : histogram.counts[i] / largest;
    const std::string blocks = bar(part * std::max(0, room));
    lines += truncated(label, screen.width);
    if (room > 0 && !blocks.empty()) lines += ' ' + screen.colored(blocks, series_color(0, 1));
    lines += '\n';
  }
  return lines;
}

}  // namespace weir::report
