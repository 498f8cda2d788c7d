#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

/// A result as a document for people: an ordered list of blocks with titles, axes and units, and
/// where it came from. Plain data; the renderers below turn one into text for the terminal, JSON,
/// CSV files or one self-contained HTML page.
namespace weir {

using Cell = std::variant<std::string, double, int64_t>;

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

struct ScatterPoint {
  double x = 0, y = 0;
  std::string label;  ///< Shown on hover.
  std::string group;  ///< Chooses the colour.
};
struct ScatterBlock {
  std::string title, x_label, y_label;
  std::vector<ScatterPoint> points;
};

/// Tokens in a row, each with a value shown as its background.
struct TokenStripBlock {
  std::string title, value_label;
  std::vector<std::string> tokens;
  std::vector<double> values;        ///< One a token, or empty: no colour.
  std::vector<std::string> details;  ///< Shown on hover; one a token, or empty.
  std::optional<std::pair<double, double>> range;
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

using Block = std::variant<TableBlock, HeatMapBlock, CurvesBlock, HistogramBlock, ScatterBlock,
                           TokenStripBlock, AttentionBlock, TextBlock>;

/// What is needed to get the same numbers again. Empty fields are left out.
struct Provenance {
  std::string model, model_sha256, tokenizer, processing, dtype, device, command, version;
  std::optional<int64_t> seed;
  int threads = 0;
  double wall_seconds = 0;
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

std::string render_terminal(const Report& report, const TerminalOptions& options);
/// The document as JSON: {"schema": "weir.report/1", ...}; schema in docs/reference/report.md.
std::string render_json(const Report& report);
/// One file, no network: inline SVG, style and script.
std::string render_html(const Report& report);
/// One CSV file a block ("01-title.csv", long form for maps) and provenance.csv, atomically each.
/// Makes the folder.
void write_csv(const Report& report, const std::filesystem::path& folder);

}  // namespace weir
