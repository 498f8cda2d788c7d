#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "weir/report/display_text.h"
#include "weir/report/page.h"
#include "weir/report/svg.h"

namespace weir::report {
namespace {

using Pattern = std::vector<std::vector<double>>;

constexpr double kThumbnail = 96, kLargest = 640, kWidestCell = 30;
constexpr size_t kThumbnailCells = 48, kLargestCells = 160;
constexpr int kWidestLabel = 16;

// A pattern of at most `most` rows and columns: each cell the largest weight of k x k, so that a
// single strong one stays in sight.
Pattern pooled(const Pattern& pattern, size_t most) {
  const size_t k = (pattern.size() + most - 1) / most;
  if (k <= 1) return pattern;
  const size_t n = (pattern.size() + k - 1) / k;
  Pattern result(n, std::vector<double>(n, NAN));
  for (size_t query = 0; query < pattern.size(); ++query) {
    for (size_t key = 0; key < pattern.size(); ++key) {
      double& cell = result[query / k][key / k];
      const double weight = pattern[query][key];
      if (std::isnan(cell) || std::abs(weight) > std::abs(cell)) cell = weight;
    }
  }
  return result;
}

std::string thumbnail(const AttentionBlock& attention, size_t head, const ColorScale& scale) {
  const Pattern pattern = pooled(attention.patterns[head], kThumbnailCells);
  const double cell = kThumbnail / static_cast<double>(pattern.size());
  const Grid grid{0, 0, cell, cell, pattern.size(), pattern.size()};
  const std::string name = visible(attention.heads[head]);
  return fmt::format("<button type=\"button\" aria-pressed=\"{}\" data-head=\"{}\">",
                     head == 0 ? "true" : "false", head) +
         svg_open(kThumbnail, kThumbnail, "Attention pattern of " + name, "") +
         svg_cells(grid, pattern, scale) +
         fmt::format("</svg><span>{}</span></button>\n", escaped(name));
}

struct Matrix {
  Pattern pattern;
  Grid grid;
  size_t tokens_per_cell = 1;
  std::vector<std::string> labels;
  double width = 0, height = 0;
};

Matrix matrix_of(const AttentionBlock& attention) {
  Matrix matrix;
  const size_t n = attention.tokens.size();
  matrix.pattern = pooled(attention.patterns[0], kLargestCells);
  matrix.tokens_per_cell = (n + kLargestCells - 1) / kLargestCells;
  for (const std::string& token : attention.tokens) {
    matrix.labels.push_back(truncated(visible(token, Spaces::kMarked), kWidestLabel));
  }
  const double label_width = kCharacterWidth * display_width(matrix.labels);
  const size_t cells = matrix.pattern.size();
  const double cell = std::min(kWidestCell, std::max(4.0, kLargest / static_cast<double>(cells)));
  matrix.grid = {
      label_width + 10, label_width * 0.85 + 16, std::floor(cell), std::floor(cell), cells, cells};
  matrix.width = matrix.grid.right() + label_width * 0.6 + 12;
  matrix.height = matrix.grid.bottom() + 8;
  return matrix;
}

std::string matrix_labels(const Matrix& matrix) {
  const Grid& grid = matrix.grid;
  const auto stride = static_cast<size_t>(std::ceil((kTextHeight - 1) / grid.cell_height));
  std::string svg;
  for (size_t i = 0; i < grid.rows; i += stride) {
    const std::string& label = matrix.labels[i * matrix.tokens_per_cell];
    const double middle = (static_cast<double>(i) + 0.5) * grid.cell_height;
    svg += svg_text(grid.left - 6, grid.top + middle + 4, label, {"tick", "end"});
    svg += svg_text(grid.left + middle + 3, grid.top - 7, label, {"tick", "start", -55});
  }
  return svg;
}

// One head at a time, large; the script puts the chosen head's cells in place of the first's.
std::string large_view(const AttentionBlock& attention, const ColorScale& scale) {
  const Matrix matrix = matrix_of(attention);
  std::string page = fmt::format(
      "<div class=\"large\">\n<p class=\"chosen\">{}<span class=\"note\"> queries down, keys "
      "across{}</span></p>\n<div class=\"scroll\">",
      escaped(attention.heads[0]),
      matrix.tokens_per_cell == 1
          ? ""
          : fmt::format("; each cell is the largest of {0} x {0}", matrix.tokens_per_cell));
  page += svg_open(matrix.width, matrix.height, "Attention pattern of one head",
                   grid_attributes(matrix.grid) +
                       fmt::format(" data-pool=\"{}\" tabindex=\"0\"", matrix.tokens_per_cell));
  page += svg_cells(matrix.grid, matrix.pattern, scale) + matrix_labels(matrix);
  return page + "</svg></div>\n</div>\n";
}

// The script shades these by what the token under the pointer attends to.
std::string token_text(const AttentionBlock& attention) {
  std::string page = "<p class=\"tokens\">";
  for (size_t i = 0; i < attention.tokens.size(); ++i) {
    page += fmt::format("<span class=\"token\" data-index=\"{}\">{}</span>{}", i,
                        escaped_token(attention.tokens[i]),
                        attention.tokens[i].find('\n') == std::string::npos ? "<wbr>" : "<br>");
  }
  return page + "</p>\n";
}

std::string values_table(const AttentionBlock& attention) {
  const size_t n = attention.tokens.size();
  if (attention.heads.size() * n * n > kMostTableCells) return html_values_elsewhere();
  TableBlock table{"", {"head", "query"}, {}, ""};
  table.columns.insert(table.columns.end(), attention.tokens.begin(), attention.tokens.end());
  for (size_t head = 0; head < attention.heads.size(); ++head) {
    for (size_t query = 0; query < n; ++query) {
      std::vector<Cell> row = {attention.heads[head], attention.tokens[query]};
      const auto& weights = attention.patterns[head][query];
      row.insert(row.end(), weights.begin(), weights.end());
      table.rows.push_back(std::move(row));
    }
  }
  return html_values(table);
}

}  // namespace

std::string html(const AttentionBlock& attention) {
  if (attention.tokens.empty() || attention.heads.empty()) {
    return "<p class=\"note\">(no values)</p>\n";
  }
  const ColorScale scale = attention_scale(attention);
  std::string page = fmt::format(
      "<figure class=\"attention\" {}>\n"
      "<div class=\"heads\" role=\"group\" aria-label=\"Heads\">\n",
      scale_attributes(scale));
  for (size_t head = 0; head < attention.heads.size(); ++head) {
    page += thumbnail(attention, head, scale);
  }
  return page + "</div>\n" + token_text(attention) + large_view(attention, scale) +
         html_legend(scale, "attention") + values_table(attention) + "</figure>\n";
}

}  // namespace weir::report
