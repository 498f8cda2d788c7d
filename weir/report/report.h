#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

/// A result as a document for people: an ordered list of blocks with titles, axes and units, and
/// where it came from. Plain data; the renderers below turn one into text for the terminal, JSON,
/// CSV files or one self-contained HTML page.
namespace weir {

/// Leads to a block or a page: "#Title" (the first block of this page with that title),
/// "other.html" (a file, relative to this page), "other.html#Title". Nothing outside the folder
/// tree of the page: no scheme, no absolute path. Only the page can follow it.
struct Link {
  std::string text, target;
};

using Cell = std::variant<std::string, double, int64_t, Link>;

struct TableBlock {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;  ///< Each as long as `columns`.
  std::string note;                     ///< One line under the table; may be empty.
};

/// values[y][x]; the first row is drawn at the bottom when `y_up` (layers grow upwards).
struct HeatMapBlock {
  std::string title, x_label, y_label, value_label;
  std::vector<std::string> x_ticks, y_ticks;
  std::vector<std::vector<double>> values;
  std::vector<std::vector<std::string>> cell_text;  ///< Written in the cells; may be empty.
  std::optional<std::pair<double, double>> range;   ///< Of the colour scale; unset: of the values.
  bool y_up = true;
  bool diverging = false;  ///< Colours centred on zero.
};

struct Series {
  std::string name;
  std::vector<double> y;  ///< NaN leaves a gap.
  /// A band about the curve, an interval for example: as long as `y`, or both empty. NaN: no band
  /// here.
  std::vector<double> lower = {}, upper = {};
};
struct CurvesBlock {
  std::string title, x_label, y_label;
  std::vector<double> x;
  std::vector<Series> series;
  bool log_y = false;
};

struct HistogramBlock {
  std::string title, x_label;
  std::vector<double> edges;  ///< One more than counts.
  std::vector<double> counts;
};

/// Points as columns, each as long as `x`, or empty (not `y`). The page draws them on a canvas with
/// zoom, so 20,000 are fine.
struct ScatterBlock {
  std::string title, x_label, y_label;
  std::vector<double> x, y;              ///< A point that is not finite is only counted.
  std::vector<std::string> labels = {};  ///< Shown on hover; can be searched.
  std::vector<std::string> groups = {};  ///< Choose colour and shape; or else:
  std::vector<double> values = {};       ///< The colour, from a scale. NaN is grey.
  std::string value_label = {};          ///< What `values` are.
  std::optional<std::pair<double, double>> range = {};  ///< Of that scale; unset: of the values.
  bool diverging = false;
  std::vector<std::string> targets = {};  ///< Where a click on the point leads, as in Link.
};

/// Tokens in a row, each with a value shown as its background.
struct TokenStripBlock {
  std::string title, value_label;
  std::vector<std::string> tokens;
  std::vector<double> values;        ///< One a token, or empty: no colour.
  std::vector<std::string> details;  ///< Shown on hover; one a token, or empty.
  std::optional<std::pair<double, double>> range;
};

/// A piece of a text in which some tokens have a value.
struct Passage {
  std::string note;                 ///< In front of it, short: the largest value, where it stands.
  std::vector<std::string> tokens;  ///< As they are, with their spaces.
  std::vector<double> values;       ///< One a token; no colour for 0 and NaN.
};
/// Many short passages, a line each, over one scale from 0 in colour: what a feature fires on.
struct PassagesBlock {
  std::string title, value_label;
  std::vector<Passage> passages;
  double largest = 0;  ///< Of the scale, in size; 0: of the values.
};

/// patterns[h][query][key] over the same tokens.
struct AttentionBlock {
  std::string title;
  std::vector<std::string> tokens;
  std::vector<std::string> heads;
  std::vector<std::vector<std::vector<double>>> patterns;
};

struct TextBlock {
  std::string title, text;
};

/// A node stands in column `position` of row `layer`; any integers. `value` is its colour, NaN:
/// none.
struct GraphNode {
  std::string label;
  int64_t layer = 0, position = 0;
  double value = NAN;
  std::string target = {};  ///< Where a click leads, as in Link.
};
struct GraphEdge {
  size_t from = 0, to = 0;  ///< Indices of nodes.
  double weight = 1;        ///< Its size is the width, its sign the colour.
};
/// A circuit or the channels of a model: layers grow upwards, positions to the right.
struct GraphBlock {
  std::string title, x_label, y_label, value_label, weight_label;
  std::vector<std::string> x_ticks = {}, y_ticks = {};  ///< Names from 0 on; empty: the numbers.
  std::vector<GraphNode> nodes = {};
  std::vector<GraphEdge> edges = {};
};

/// A picture, a sound or a film: its bytes, or a file.
struct MediaBlock {
  std::string title;
  std::string mime;     ///< "image/png", "audio/wav", "video/mp4", ...; docs/reference/report.md.
  std::string bytes;    ///< The page holds them; `write_html` puts large ones beside it.
  std::string path;     ///< Instead: a file, relative to the page. It is not read.
  std::string caption;  ///< Also what a screen reader says.
};

struct GroupBlock;

using Block = std::variant<TableBlock, HeatMapBlock, CurvesBlock, HistogramBlock, ScatterBlock,
                           TokenStripBlock, PassagesBlock, AttentionBlock, TextBlock, GraphBlock,
                           MediaBlock, GroupBlock>;

/// Blocks that belong together. Groups may hold groups.
struct GroupBlock {
  std::string title;
  std::vector<Block> blocks;
  bool collapsed = false;  ///< The page opens it on demand.
  bool tabs = false;       ///< The page shows one block at a time, chosen by its title.
};

/// What is needed to get the same numbers again. Empty fields are left out.
struct Provenance {
  std::string model, model_sha256, tokenizer, processing, dtype, device, command, version;
  std::optional<int64_t> seed;
  int threads = 0;
  double wall_seconds = 0;
  /// What else the numbers depend on (data set, its hash, recipe), in this order. No name twice,
  /// none of the names above.
  std::vector<std::pair<std::string, std::string>> extra = {};
};

struct Report {
  std::string title;
  Provenance provenance;
  std::vector<Block> blocks;
};

struct TerminalOptions {
  int width = 100;
  bool color = false;
};

/// How a page is written.
struct HtmlOptions {
  /// A page of a run that goes on: it loads itself again so often and stays where the reader was.
  /// 0: the last state, which stays.
  int refresh_seconds = 0;
};

std::string render_terminal(const Report& report, const TerminalOptions& options);
/// The document as JSON: {"schema": "weir.report/2", ...}; schema in docs/reference/report.md.
std::string render_json(const Report& report);
/// The report of such a document, also one of an older schema; null is NaN. kCorruptData when it is
/// none, kUnsupported for a schema newer than this library. `what` names it in messages.
Report parse_report(std::string_view json, std::string_view what);
/// One file, no network: inline SVG, style, script and media.
std::string render_html(const Report& report, const HtmlOptions& options = {});
/// The same as a file, atomically: a reader sees the old page or the new one. Media of more than
/// 256 KiB go into the folder "NAME-media" beside NAME.html.
void write_html(const Report& report, const std::filesystem::path& file,
                const HtmlOptions& options = {});
/// One CSV file a block ("01-title.csv", "03-02-title.csv" in a group, long form for maps) and
/// provenance.csv, atomically each. Makes the folder.
void write_csv(const Report& report, const std::filesystem::path& folder);

}  // namespace weir
