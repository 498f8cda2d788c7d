#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/report/report.h"

namespace weir::report {

/// Where a graph's nodes stand: a row a layer, the highest at the top, and a column a position.
/// Nodes of one layer and position stand side by side, in lines as wide as there is room. Rows and
/// columns without nodes take no space. CSS pixels.
struct GraphLayout {
  struct Box {
    double left = 0, top = 0, width = 0, height = 0;
    std::string label;  ///< Visible, cut to the box.
  };
  struct Band {
    int64_t place = 0;  ///< The layer or position.
    double start = 0, size = 0;
  };
  std::vector<Box> nodes;           ///< As in the block.
  std::vector<Band> rows, columns;  ///< From the top and from the left.
  double left = 0;                  ///< Of the first column; the rows' names stand before it.
  double width = 0, height = 0;     ///< Of the drawing.
};

/// `content_width` is what the drawing should keep to, if it can.
GraphLayout layout_of(const GraphBlock& graph, double content_width);

}  // namespace weir::report
