#include "weir/report/graph_layout.h"

#include <algorithm>
#include <map>
#include <set>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kBoxHeight = 22, kBoxGap = 6, kRowGap = 44, kColumnGap = 18;
constexpr double kNarrowestColumn = 120;
constexpr int kWidestLabel = 22, kWidestTick = 16;
constexpr double kTop = 26, kBottom = 46;

using Place = std::pair<int64_t, int64_t>;  // layer, position

// The lines that the boxes of one place take, with what they are as wide and how many.
struct Pile {
  std::vector<std::vector<size_t>> lines;
  double width = 0;

  double height() const {
    return static_cast<double>(lines.size()) * (kBoxHeight + kBoxGap) - kBoxGap;
  }
};

double line_width(const std::vector<size_t>& line, const GraphLayout& layout) {
  double width = -kBoxGap;
  for (const size_t node : line) width += layout.nodes[node].width + kBoxGap;
  return width;
}

Pile pile_of(const std::vector<size_t>& nodes, const GraphLayout& layout, double room) {
  Pile pile;
  for (const size_t node : nodes) {
    const bool fits =
        !pile.lines.empty() &&
        line_width(pile.lines.back(), layout) + kBoxGap + layout.nodes[node].width <= room;
    if (!fits) pile.lines.emplace_back();
    pile.lines.back().push_back(node);
    pile.width = std::max(pile.width, line_width(pile.lines.back(), layout));
  }
  return pile;
}

void size_boxes(const GraphBlock& graph, GraphLayout& layout) {
  for (const GraphNode& node : graph.nodes) {
    GraphLayout::Box box;
    box.label = truncated(visible(node.label, Spaces::kMarked), kWidestLabel);
    box.width = std::max(24.0, kCharacterWidth * display_width(box.label) + 12);
    box.height = kBoxHeight;
    layout.nodes.push_back(std::move(box));
  }
}

double tick_width(const GraphBlock& graph, const std::set<int64_t>& layers) {
  int widest = 0;
  for (const int64_t layer : layers) {
    widest = std::max(widest, display_width(visible(tick_of(graph.y_ticks, layer))));
  }
  return kCharacterWidth * std::min(widest, kWidestTick) + 20;
}

// Sets the rows and columns so that each is as large as its largest pile.
void size_bands(const std::map<Place, Pile>& piles, GraphLayout& layout) {
  std::map<int64_t, double> widths, heights;
  for (const auto& [place, pile] : piles) {
    heights[place.first] = std::max(heights[place.first], pile.height());
    widths[place.second] = std::max(widths[place.second], pile.width);
  }
  double y = kTop;
  for (auto row = heights.rbegin(); row != heights.rend(); ++row) {
    layout.rows.push_back({row->first, y, row->second});
    y += row->second + kRowGap;
  }
  layout.height = y - kRowGap + kBottom;
  double x = layout.left;
  for (const auto& [position, width] : widths) {
    layout.columns.push_back({position, x, width});
    x += width + kColumnGap;
  }
  layout.width = x;
}

void place_boxes(const std::map<Place, Pile>& piles, GraphLayout& layout) {
  std::map<int64_t, GraphLayout::Band> rows, columns;
  for (const auto& row : layout.rows) rows[row.place] = row;
  for (const auto& column : layout.columns) columns[column.place] = column;
  for (const auto& [place, pile] : piles) {
    const auto& row = rows[place.first];
    const auto& column = columns[place.second];
    double y = row.start + (row.size - pile.height()) / 2;
    for (const auto& line : pile.lines) {
      double x = column.start + (column.size - line_width(line, layout)) / 2;
      for (const size_t node : line) {
        layout.nodes[node].left = x;
        layout.nodes[node].top = y;
        x += layout.nodes[node].width + kBoxGap;
      }
      y += kBoxHeight + kBoxGap;
    }
  }
}

double total(const std::map<int64_t, double>& widths, double cap) {
  double sum = 0;
  for (const auto& [position, width] : widths) sum += std::min(width, cap) + kColumnGap;
  return sum;
}

// What the widest columns have to keep to, so that all fit into `room`; the others stay as they
// are.
double column_cap(const std::map<Place, std::vector<size_t>>& members, const GraphLayout& layout,
                  double room) {
  std::map<int64_t, double> widths;
  for (const auto& [place, nodes] : members) {
    widths[place.second] = std::max(widths[place.second], line_width(nodes, layout));
  }
  double low = kNarrowestColumn, high = std::max(room, kNarrowestColumn);
  for (int i = 0; i < 30 && high - low > 1; ++i) {
    const double middle = (low + high) / 2;
    (total(widths, middle) <= room ? low : high) = middle;
  }
  return low;
}

}  // namespace

GraphLayout layout_of(const GraphBlock& graph, double content_width) {
  GraphLayout layout;
  size_boxes(graph, layout);
  std::map<Place, std::vector<size_t>> members;
  std::set<int64_t> layers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    members[{graph.nodes[i].layer, graph.nodes[i].position}].push_back(i);
    layers.insert(graph.nodes[i].layer);
  }
  layout.left = tick_width(graph, layers);
  const double room = column_cap(members, layout, content_width - layout.left);
  std::map<Place, Pile> piles;
  for (const auto& [place, nodes] : members) piles[place] = pile_of(nodes, layout, room);
  size_bands(piles, layout);
  place_boxes(piles, layout);
  return layout;
}

}  // namespace weir::report
