#include "weir/report/validate.h"

#include <cmath>
#include <set>

#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/report/block_kind.h"
#include "weir/report/links.h"
#include "weir/report/media_type.h"

namespace weir::report {
namespace {

using Range = std::optional<std::pair<double, double>>;
using Anchors = std::set<std::string>;

constexpr int kDeepestGroup = 8;  ///< Each costs two of the levels that JSON may have.

void check_blocks(const std::vector<Block>& blocks, const std::string& path, int depth,
                  const Anchors& anchors);

// Checks one block; messages start with where it stands in the report.
class Validator {
 public:
  /// `path` is the block's number, "3.2" in a group at `depth`.
  Validator(std::string where, const std::string& path, int depth, const Anchors& anchors)
      : where_(std::move(where)), path_(path), depth_(depth), anchors_(anchors) {}

  void operator()(const TableBlock& table) const {
    for (size_t i = 0; i < table.rows.size(); ++i) {
      expect_length("cells in row " + std::to_string(i), table.rows[i].size(), "columns",
                    table.columns.size());
      for (const Cell& cell : table.rows[i]) {
        if (const auto* link = std::get_if<Link>(&cell)) expect_target(link->target);
      }
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
      const std::string name = " of series '" + io::printable(series.name) + "'";
      expect_length("values" + name, series.y.size(), "x", curves.x.size());
      if (series.lower.empty() && series.upper.empty()) continue;
      expect_length("lower ends" + name, series.lower.size(), "x", curves.x.size());
      expect_length("upper ends" + name, series.upper.size(), "x", curves.x.size());
      for (size_t i = 0; i < series.lower.size(); ++i) {
        require(!(series.lower[i] > series.upper[i]),
                "{}: expected a band{} from low to high, found {} to {} at index {}", where_, name,
                series.lower[i], series.upper[i], i);
      }
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

  void operator()(const ScatterBlock& scatter) const {
    const size_t n = scatter.x.size();
    expect_length("y", scatter.y.size(), "x", n);
    expect_none_or("labels", scatter.labels.size(), "points", n);
    expect_none_or("groups", scatter.groups.size(), "points", n);
    expect_none_or("values", scatter.values.size(), "points", n);
    expect_none_or("targets", scatter.targets.size(), "points", n);
    require(scatter.groups.empty() || scatter.values.empty(),
            "{}: expected colours from groups or from values, found both", where_);
    expect_range(scatter.range);
    for (const std::string& target : scatter.targets) expect_no_target_or(target);
  }

  void operator()(const TokenStripBlock& strip) const {
    expect_none_or("values", strip.values.size(), "tokens", strip.tokens.size());
    expect_none_or("details", strip.details.size(), "tokens", strip.tokens.size());
    expect_range(strip.range);
  }

  void operator()(const PassagesBlock& block) const {
    for (const Passage& passage : block.passages) {
      expect_length("values", passage.values.size(), "tokens", passage.tokens.size());
    }
    require(std::isfinite(block.largest) && block.largest >= 0,
            "{}: expected a largest value of at least 0, found {}", where_, block.largest);
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

  void operator()(const GraphBlock& graph) const {
    for (const GraphNode& node : graph.nodes) expect_no_target_or(node.target);
    for (size_t i = 0; i < graph.edges.size(); ++i) {
      const GraphEdge& edge = graph.edges[i];
      const size_t n = graph.nodes.size();
      require(edge.from < n && edge.to < n,
              "{}: expected edges between nodes 0 to {}, found edge {} from {} to {}", where_,
              static_cast<int64_t>(n) - 1, i, edge.from, edge.to);
      require(std::isfinite(edge.weight), "{}: expected finite weights, found {} at edge {}",
              where_, edge.weight, i);
    }
  }

  void operator()(const MediaBlock& media) const {
    // An empty block is one that has nothing to show yet.
    if (media.mime.empty() && media.bytes.empty() && media.path.empty()) return;
    require(media_type(media.mime) != nullptr, "{}: expected one of the types {}, found '{}'",
            where_, known_media_types(), io::printable(media.mime));
    require(media.bytes.empty() != media.path.empty(), "{}: expected bytes or a path, found {}",
            where_, media.path.empty() ? "neither" : "both");
    const std::string fault = media.path.empty() ? "" : path_fault(media.path);
    require(fault.empty(), "{}: expected a path relative to the page; '{}' {}", where_,
            io::printable(media.path), fault);
  }

  void operator()(const GroupBlock& group) const {
    require(depth_ < kDeepestGroup, "{}: expected groups in groups to a depth of {}", where_,
            kDeepestGroup);
    check_blocks(group.blocks, path_ + '.', depth_ + 1, anchors_);
  }

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

  void expect_no_target_or(const std::string& target) const {
    if (!target.empty()) expect_target(target);
  }

  void expect_target(const std::string& target) const {
    const std::string fault = target_fault(target);
    require(fault.empty(),
            "{}: expected a link to '#Title', a page beside this one or both; '{}' {}", where_,
            io::printable(target), fault);
    const std::string_view title = local_title(target);
    require(title.empty() || anchors_.count(anchor_of(title)) > 0,
            "{}: expected a link to a block of this report, found none with the title '{}'", where_,
            io::printable(title));
  }

  std::string where_, path_;
  int depth_;
  const Anchors& anchors_;
};

void check_blocks(const std::vector<Block>& blocks, const std::string& path, int depth,
                  const Anchors& anchors) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string number = path + std::to_string(i + 1);
    std::visit(Validator(fmt::format("report: block {} ({} '{}')", number, kind_name(blocks[i]),
                                     io::printable(title_of(blocks[i]))),
                         number, depth, anchors),
               blocks[i]);
  }
}

void collect_anchors(const std::vector<Block>& blocks, int depth, Anchors& anchors) {
  for (const Block& block : blocks) {
    anchors.insert(anchor_of(title_of(block)));
    const auto* group = std::get_if<GroupBlock>(&block);
    if (group != nullptr && depth < kDeepestGroup) {
      collect_anchors(group->blocks, depth + 1, anchors);
    }
  }
}

void check_extra(const Provenance& provenance) {
  std::set<std::string> names;
  for (const auto& [name, value] : named_fields(provenance)) names.insert(name);
  for (const auto& [name, value] : provenance.extra) {
    require(!name.empty(), "report: expected names in the provenance's extra pairs, found ''");
    require(names.insert(name).second,
            "report: expected every name in the provenance once, found '{}' again",
            io::printable(name));
  }
}

}  // namespace

void validate(const Report& report) {
  check_extra(report.provenance);
  Anchors anchors;
  collect_anchors(report.blocks, 0, anchors);
  check_blocks(report.blocks, "", 0, anchors);
}

}  // namespace weir::report
