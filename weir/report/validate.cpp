#include "weir/report/validate.h"

#include <cmath>

#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/report/block_kind.h"

namespace weir::report {
namespace {

using Range = std::optional<std::pair<double, double>>;

// Checks one block; messages start with where it stands in the report.
class Validator {
 public:
  explicit Validator(std::string where) : where_(std::move(where)) {}

  void operator()(const TableBlock& table) const {
    for (size_t i = 0; i < table.rows.size(); ++i) {
      expect_length("cells in row " + std::to_string(i), table.rows[i].size(), "columns",
                    table.columns.size());
    }
  }

  void operator()(const HeatMapBlock& map) const {
    const size_t columns = map.values.empty() ? map.x_ticks.size() : map.values[0].size();
    for (const auto& row : map.values) {
      expect_length("values in a row", row.size(), "in the first", columns);
    }
    expect_none_or("x_ticks", map.x_ticks.size(), "columns", columns);
    expect_none_or("y_ticks", map.y_ticks.size(), "rows", map.values.size());
    expect_none_or("rows of cell_text", map.cell_text.size(), "rows", map.values.size());
    for (const auto& row : map.cell_text) {
      expect_length("cell_text in a row", row.size(), "columns", columns);
    }
    expect_range(map.range);
  }

  void operator()(const CurvesBlock& curves) const {
    for (const Series& series : curves.series) {
      expect_length("values of series '" + io::printable(series.name) + "'", series.y.size(), "x",
                    curves.x.size());
    }
  }

  void operator()(const HistogramBlock& histogram) const {
    const bool is_empty = histogram.edges.empty() && histogram.counts.empty();
    require(is_empty || histogram.edges.size() == histogram.counts.size() + 1,
            "{}: expected one edge more than counts, found {} edges and {} counts", where_,
            histogram.edges.size(), histogram.counts.size());
    for (size_t i = 0; i < histogram.counts.size(); ++i) {
      const double low = histogram.edges[i], high = histogram.edges[i + 1];
      require(std::isfinite(low) && std::isfinite(high) && low < high,
              "{}: expected finite edges that grow, found {} then {}", where_, low, high);
      require(std::isfinite(histogram.counts[i]) && histogram.counts[i] >= 0,
              "{}: expected counts of at least 0, found {}", where_, histogram.counts[i]);
    }
  }

  void operator()(const ScatterBlock&) const {}

  void operator()(const TokenStripBlock& strip) const {
    expect_none_or("values", strip.values.size(), "tokens", strip.tokens.size());
    expect_none_or("details", strip.details.size(), "tokens", strip.tokens.size());
    expect_range(strip.range);
  }

  void operator()(const AttentionBlock& attention) const {
    const size_t n = attention.tokens.size();
    expect_length("patterns", attention.patterns.size(), "heads", attention.heads.size());
    for (const auto& pattern : attention.patterns) {
      expect_length("queries in a pattern", pattern.size(), "tokens", n);
      for (const auto& row : pattern) expect_length("keys of a query", row.size(), "tokens", n);
    }
  }

  void operator()(const TextBlock&) const {}

 private:
  void expect_length(const std::string& what, size_t found, const char* of, size_t expected) const {
    require(found == expected, "{}: expected as many {} as {} ({}), found {}", where_, what, of,
            expected, found);
  }

  void expect_none_or(const char* what, size_t found, const char* of, size_t expected) const {
    if (found > 0) expect_length(what, found, of, expected);
  }

  void expect_range(const Range& range) const {
    if (!range) return;
    const auto [low, high] = *range;
    require(std::isfinite(low) && std::isfinite(high) && low < high,
            "{}: expected a finite range from low to high, found {} to {}", where_, low, high);
  }

  std::string where_;
};

}  // namespace

void validate(const Report& report) {
  for (size_t i = 0; i < report.blocks.size(); ++i) {
    const Block& block = report.blocks[i];
    std::visit(Validator(fmt::format("report: block {} ({} '{}')", i + 1, kind_name(block),
                                     io::printable(title_of(block)))),
               block);
  }
}

}  // namespace weir::report
