#include "weir/report/graph_layout.h"

#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "sample_reports.h"

namespace weir::report {
namespace {

using Box = GraphLayout::Box;

bool overlap(const Box& a, const Box& b) {
  return a.left < b.left + b.width && b.left < a.left + a.width && a.top < b.top + b.height &&
         b.top < a.top + a.height;
}

void expect_sound(const GraphBlock& graph) {
  const GraphLayout layout = layout_of(graph, 1040);
  ASSERT_EQ(layout.nodes.size(), graph.nodes.size());
  for (size_t i = 0; i < layout.nodes.size(); ++i) {
    const Box& box = layout.nodes[i];
    EXPECT_GE(box.left, layout.left - 1e-9);
    EXPECT_LE(box.left + box.width, layout.width);
    EXPECT_GE(box.top, 0);
    EXPECT_LE(box.top + box.height, layout.height);
    for (size_t j = 0; j < i; ++j) {
      EXPECT_FALSE(overlap(box, layout.nodes[j])) << i << " and " << j;
      const GraphNode &a = graph.nodes[i], &b = graph.nodes[j];
      EXPECT_TRUE(a.layer <= b.layer || box.top < layout.nodes[j].top);
      EXPECT_TRUE(a.position <= b.position || box.left > layout.nodes[j].left);
    }
  }
}

TEST(GraphLayout, PutsNodesInTheirRowsAndColumnsWithoutOverlap) {
  expect_sound(testing::graph_sample());
  std::mt19937 generator(4);
  GraphBlock graph;
  for (int i = 0; i < 200; ++i) {
    graph.nodes.push_back({std::string(generator() % 40, 'x'),
                           static_cast<int64_t>(generator() % 12) - 1,
                           static_cast<int64_t>(generator() % 9), NAN});
  }
  expect_sound(graph);
}

TEST(GraphLayout, TakesNoSpaceForLayersWithoutNodes) {
  GraphBlock graph;
  graph.nodes = {{"low", INT64_MIN}, {"high", INT64_MAX, INT64_MAX}};
  expect_sound(graph);
  EXPECT_LT(layout_of(graph, 1040).height, 200);
}

TEST(GraphLayout, KeepsToThePageWhenItCan) {
  GraphBlock graph;
  for (int i = 0; i < 120; ++i) graph.nodes.push_back({"head " + std::to_string(i), 3, 0, NAN});
  expect_sound(graph);
  EXPECT_LE(layout_of(graph, 1040).width, 1040);
}

}  // namespace
}  // namespace weir::report
