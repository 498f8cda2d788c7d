#include <algorithm>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include "weir/report/block_kind.h"
#include "weir/report/screen.h"

namespace weir::report {

std::string draw(const GraphBlock& graph, const Screen& screen) {
  if (graph.nodes.empty()) return screen.note("(no nodes)");
  std::string lines =
      screen.note(fmt::format("{} nodes and {} edges", graph.nodes.size(), graph.edges.size()));
  if (graph.edges.empty()) return lines;
  std::vector<size_t> order(graph.edges.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::abs(graph.edges[a].weight) > std::abs(graph.edges[b].weight);
  });
  TableBlock table;
  table.columns = {"from", "to", graph.weight_label.empty() ? "weight" : graph.weight_label};
  for (size_t i = 0; i < std::min(order.size(), kMostListed); ++i) {
    const GraphEdge& edge = graph.edges[order[i]];
    table.rows.push_back({graph.nodes[edge.from].label, graph.nodes[edge.to].label, edge.weight});
  }
  if (order.size() > kMostListed) {
    table.note =
        fmt::format("the {} heaviest edges; all are in the HTML, JSON and CSV forms", kMostListed);
  }
  return lines + draw(table, screen);
}

}  // namespace weir::report
