#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/display_text.h"
#include "weir/report/graph_layout.h"
#include "weir/report/links.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

constexpr double kThinnest = 1, kThickest = 5;
constexpr double kLeastOpacity = 0.25;
constexpr double kFarApart = 60, kOneColumn = 60, kBow = 110, kLoop = 9;  ///< Pixels.
constexpr double kLabelCharacter = 7.5;  ///< Of an axis' name, in the proportional font.
constexpr int kWidestTick = 16;

double heaviest(const GraphBlock& graph) {
  double largest = 0;
  for (const GraphEdge& edge : graph.edges) largest = std::max(largest, std::abs(edge.weight));
  return largest;
}

// From the side of one box that faces the other to the facing side of that; a bow beside boxes of
// one height, and about boxes that may stand between two in one column, to the left or right by
// `side` (-1 or 1). Ends in a small arrow.
std::string edge_path(const GraphLayout::Box& from, const GraphLayout::Box& to, double side) {
  const double loop = &from == &to ? kLoop : 0;  // An edge to its own node.
  const double x0 = from.left + from.width / 2 - loop, x1 = to.left + to.width / 2 + loop;
  const bool goes_up = to.top < from.top, is_level = to.top == from.top;
  const double y0 = goes_up || is_level ? from.top : from.top + from.height;
  const double y1 = goes_up ? to.top + to.height : to.top;
  const double bend = is_level ? -26 : (y1 - y0) * 0.45;
  const double arrow = goes_up ? 5 : -5;
  const double end = y1 + arrow;
  const double y_out = y0 + bend, y_in = is_level ? y1 + bend : end - bend;
  const bool may_cross = std::abs(y1 - y0) > kFarApart && std::abs(x1 - x0) < kOneColumn;
  const double bow = may_cross ? side * kBow : 0;
  return fmt::format("M{} {}C{} {} {} {} {} {}", px(x0), px(y0), px(x0 + bow), px(y_out),
                     px(x1 + bow), px(y_in), px(x1), px(end)) +
         fmt::format("m-3 0l3 {}l3 {}", px(-arrow), px(arrow));
}

std::string edge_svg(const GraphBlock& graph, size_t i, const GraphLayout& layout, double largest) {
  const GraphEdge& edge = graph.edges[i];
  const double share = largest > 0 ? std::abs(edge.weight) / largest : 0;
  return fmt::format(
      "<path class=\"edge {}\" data-edge=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\" "
      "d=\"{}\"/>\n",
      edge.weight < 0 ? "negative" : "positive", i, px(kThinnest + (kThickest - kThinnest) * share),
      px(kLeastOpacity + (1 - kLeastOpacity) * share),
      edge_path(layout.nodes[edge.from], layout.nodes[edge.to], i % 2 == 0 ? 1 : -1));
}

std::string node_name(const GraphBlock& graph, const GraphNode& node) {
  std::string name = fmt::format("{}, {} {}", visible(node.label, Spaces::kMarked),
                                 graph.y_label.empty() ? "layer" : visible(graph.y_label),
                                 visible(tick_of(graph.y_ticks, node.layer)));
  if (!std::isnan(node.value)) name += ", " + number_text(node.value);
  return name;
}

std::string node_svg(const GraphBlock& graph, size_t i, const GraphLayout& layout,
                     const ColorScale& scale) {
  const GraphNode& node = graph.nodes[i];
  const GraphLayout::Box& box = layout.nodes[i];
  const bool has_value = !std::isnan(node.value);
  const Rgb fill = scale.color(node.value);
  const std::string_view ink = !has_value              ? "plain"
                               : needs_dark_text(fill) ? "on-light"
                                                       : "on-dark";
  std::string svg =
      fmt::format("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"{}/>", px(box.left),
                  px(box.top), px(box.width), px(box.height),
                  has_value ? fmt::format(" fill=\"{}\"", fill.hex()) : "") +
      svg_text(box.left + box.width / 2, box.top + box.height / 2 + 4, box.label, {ink, "middle"});
  const std::string name = escaped(node_name(graph, node));
  const std::string attributes =
      fmt::format("class=\"node\" data-node=\"{}\" aria-label=\"{}\"", i, name);
  if (node.target.empty()) {
    return fmt::format("<g {} role=\"img\" tabindex=\"0\">{}</g>\n", attributes, svg);
  }
  return fmt::format("<a {} href=\"{}\">{}</a>\n", attributes, href_of(node.target), svg);
}

std::string band_labels(const GraphBlock& graph, const GraphLayout& layout) {
  std::string svg;
  for (const auto& row : layout.rows) {
    svg += svg_text(layout.left - 12, row.start + row.size / 2 + 4,
                    truncated(visible(tick_of(graph.y_ticks, row.place)), kWidestTick),
                    {"tick", "end"});
  }
  const bool has_columns = layout.columns.size() > 1 || !graph.x_ticks.empty();
  for (const auto& column : layout.columns) {
    if (!has_columns) break;
    const int most = static_cast<int>(std::max(4.0, column.size / kCharacterWidth));
    svg += svg_text(column.start + column.size / 2, layout.height - 26,
                    truncated(visible(tick_of(graph.x_ticks, column.place), Spaces::kMarked), most),
                    {"tick", "middle"});
  }
  svg += svg_text(2, 13, visible(graph.y_label), {"label", "start"});
  return svg + svg_text(layout.left, layout.height - 6, visible(graph.x_label), {"label", "start"});
}

std::string values_tables(const GraphBlock& graph) {
  TableBlock nodes{"", {"node", "label", "layer", "position", "value"}, {}, ""};
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const GraphNode& node = graph.nodes[i];
    nodes.rows.push_back(
        {static_cast<int64_t>(i),
         node.target.empty() ? Cell(node.label) : Cell(Link{node.label, node.target}), node.layer,
         node.position, node.value});
  }
  TableBlock edges{"", {"from", "to", "weight"}, {}, ""};
  for (const GraphEdge& edge : graph.edges) {
    edges.rows.push_back({graph.nodes[edge.from].label, graph.nodes[edge.to].label, edge.weight});
  }
  if (5 * nodes.rows.size() + 3 * edges.rows.size() > kMostTableCells) {
    return html_values_elsewhere();
  }
  return "<details class=\"values\"><summary>Values</summary>\n" + html(nodes) + html(edges) +
         "</details>\n";
}

std::string edge_legend(const GraphBlock& graph) {
  if (graph.edges.empty()) return "";
  const std::string label = graph.weight_label.empty() ? "weight" : graph.weight_label;
  return fmt::format(
      "<p class=\"legend edges\"><svg viewBox=\"0 0 30 10\" width=\"30\" height=\"10\" "
      "aria-hidden=\"true\"><path class=\"edge positive\" stroke-width=\"3\" d=\"M0 5h30\"/></svg>"
      "positive <svg viewBox=\"0 0 30 10\" width=\"30\" height=\"10\" aria-hidden=\"true\"><path "
      "class=\"edge negative\" stroke-width=\"3\" d=\"M0 5h30\"/></svg>negative; the widest is {}"
      "<span class=\"what\">{}</span></p>\n",
      number_text(heaviest(graph)), escaped(label));
}

}  // namespace

std::string html(const GraphBlock& graph) {
  if (graph.nodes.empty()) return "<p class=\"note\">(no nodes)</p>\n";
  GraphLayout layout = layout_of(graph, kContentWidth);
  const double label = kLabelCharacter * display_width(visible(graph.x_label));
  layout.width = std::max(layout.width, std::min(kContentWidth, layout.left + label + 8));
  const ColorScale scale = scale_of(graph);
  std::string page = "<figure class=\"graph\">\n<div class=\"scroll\">";
  page += fmt::format(
      "<svg role=\"group\" aria-label=\"{}\" viewBox=\"0 0 {} {}\" width=\"{}\" height=\"{}\">\n",
      fmt::format("Graph of {} nodes and {} edges", graph.nodes.size(), graph.edges.size()),
      px(layout.width), px(layout.height), px(layout.width), px(layout.height));
  page += band_labels(graph, layout);
  const double largest = heaviest(graph);
  for (size_t i = 0; i < graph.edges.size(); ++i) page += edge_svg(graph, i, layout, largest);
  for (size_t i = 0; i < graph.nodes.size(); ++i) page += node_svg(graph, i, layout, scale);
  page += "</svg></div>\n" + edge_legend(graph);
  const bool has_values = std::any_of(graph.nodes.begin(), graph.nodes.end(),
                                      [](const auto& node) { return !std::isnan(node.value); });
  if (has_values) page += html_legend(scale, graph.value_label);
  return page + values_tables(graph) + "</figure>\n";
}

}  // namespace weir::report
