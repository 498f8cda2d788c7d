#include <system_error>

#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/sha256.h"
#include "weir/report/block_kind.h"
#include "weir/report/links.h"
#include "weir/report/number_text.h"
#include "weir/report/report.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

constexpr size_t kLongestSlug = 40;

// Rows by RFC 4180: CRLF ends a line; a field with a comma, a quote or a line end is quoted.
class CsvText {
 public:
  CsvText& field(std::string_view text) {
    if (!is_line_start_) text_ += ',';
    is_line_start_ = false;
    // An empty first field alone would make an empty line, which readers skip.
    const bool is_plain = !text.empty() && text.find_first_of(",\"\r\n") == std::string_view::npos;
    if (is_plain) {
      text_ += text;
      return *this;
    }
    text_ += '"';
    for (const char c : text) {
      if (c == '"') text_ += '"';
      text_ += c;
    }
    text_ += '"';
    return *this;
  }
  CsvText& field(double value) { return field(exact_text(value)); }
  CsvText& field(size_t value) { return field(std::to_string(value)); }

  template <typename... Fields>
  void line(const Fields&... fields) {
    (field(fields), ...);
    end_line();
  }

  void end_line() {
    text_ += "\r\n";
    is_line_start_ = true;
  }

  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
  bool is_line_start_ = true;
};

struct BlockCsv {
  CsvText& csv;

  void operator()(const TableBlock& table) const {
    for (const std::string& column : table.columns) csv.field(column);
    csv.end_line();
    for (const auto& row : table.rows) {
      for (const Cell& cell : row) cell_field(cell);
      csv.end_line();
    }
  }

  void operator()(const HeatMapBlock& map) const {
    csv.line("y_index", "x_index", "y", "x", "value", "text");
    const size_t n_columns = map.values.empty() ? 0 : map.values[0].size();
    const auto y = labels_or_indices(map.y_ticks, map.values.size());
    const auto x = labels_or_indices(map.x_ticks, n_columns);
    for (size_t row = 0; row < map.values.size(); ++row) {
      for (size_t column = 0; column < n_columns; ++column) {
        csv.line(row, column, y[row], x[column], map.values[row][column],
                 map.cell_text.empty() ? std::string() : map.cell_text[row][column]);
      }
    }
  }

  void operator()(const CurvesBlock& curves) const {
    csv.field(curves.x_label.empty() ? "x" : curves.x_label);
    for (const Series& series : curves.series) {
      csv.field(series.name);
      if (!series.lower.empty()) csv.field(series.name + " lower").field(series.name + " upper");
    }
    csv.end_line();
    for (size_t i = 0; i < curves.x.size(); ++i) {
      csv.field(curves.x[i]);
      for (const Series& series : curves.series) {
        csv.field(series.y[i]);
        if (!series.lower.empty()) csv.field(series.lower[i]).field(series.upper[i]);
      }
      csv.end_line();
    }
  }

  void operator()(const HistogramBlock& histogram) const {
    csv.line("low", "high", "count");
    for (size_t i = 0; i < histogram.counts.size(); ++i) {
      csv.line(histogram.edges[i], histogram.edges[i + 1], histogram.counts[i]);
    }
  }

  void operator()(const ScatterBlock& scatter) const {
    csv.line("x", "y", "label", "group", "value", "target");
    const auto text = [](const std::vector<std::string>& column, size_t i) {
      return column.empty() ? std::string() : column[i];
    };
    for (size_t i = 0; i < scatter.x.size(); ++i) {
      csv.line(scatter.x[i], scatter.y[i], text(scatter.labels, i), text(scatter.groups, i),
               scatter.values.empty() ? "" : exact_text(scatter.values[i]),
               text(scatter.targets, i));
    }
  }

  void operator()(const TokenStripBlock& strip) const {
    csv.line("index", "token", "value", "detail");
    for (size_t i = 0; i < strip.tokens.size(); ++i) {
      csv.line(i, strip.tokens[i], strip.values.empty() ? "" : exact_text(strip.values[i]),
               strip.details.empty() ? std::string() : strip.details[i]);
    }
  }

  void operator()(const PassagesBlock& block) const {
    csv.line("passage", "note", "index", "token", "value");
    for (size_t i = 0; i < block.passages.size(); ++i) {
      const Passage& passage = block.passages[i];
      for (size_t k = 0; k < passage.tokens.size(); ++k) {
        csv.line(i, passage.note, k, passage.tokens[k], passage.values[k]);
      }
    }
  }

  void operator()(const AttentionBlock& attention) const {
    csv.line("head", "query_index", "key_index", "query", "key", "value");
    const auto& tokens = attention.tokens;
    for (size_t head = 0; head < attention.heads.size(); ++head) {
      for (size_t query = 0; query < tokens.size(); ++query) {
        for (size_t key = 0; key < tokens.size(); ++key) {
          csv.line(attention.heads[head], query, key, tokens[query], tokens[key],
                   attention.patterns[head][query][key]);
        }
      }
    }
  }

  void operator()(const TextBlock& text) const {
    csv.line("text");
    csv.line(text.text);
  }

  // Nodes and edges in one table, so that every block is one file.
  void operator()(const GraphBlock& graph) const {
    csv.line("kind", "index", "label", "layer", "position", "value", "from", "to", "weight",
             "target");
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const GraphNode& node = graph.nodes[i];
      csv.line("node", i, node.label, std::to_string(node.layer), std::to_string(node.position),
               node.value, "", "", "", node.target);
    }
    for (size_t i = 0; i < graph.edges.size(); ++i) {
      const GraphEdge& edge = graph.edges[i];
      csv.line("edge", i, "", "", "", "", edge.from, edge.to, edge.weight, "");
    }
  }

  void operator()(const MediaBlock& media) const {
    csv.line("mime", "path", "caption", "bytes", "sha256");
    const bool has_bytes = !media.bytes.empty();
    csv.line(media.mime, media.path, media.caption,
             has_bytes ? std::to_string(media.bytes.size()) : "",
             has_bytes ? io::sha256_hex(media.bytes) : "");
  }

  void operator()(const GroupBlock& group) const {
    csv.line("block", "type", "title");
    for (size_t i = 0; i < group.blocks.size(); ++i) {
      csv.line(i + 1, std::string(kind_name(group.blocks[i])), title_of(group.blocks[i]));
    }
  }

 private:
  void cell_field(const Cell& cell) const {
    if (const std::string* text = text_of(cell)) {
      csv.field(*text);
    } else if (const auto* value = std::get_if<double>(&cell)) {
      csv.field(*value);
    } else {
      csv.field(std::to_string(std::get<int64_t>(cell)));
    }
  }
};

std::string provenance_csv(const Report& report) {
  CsvText csv;
  csv.line("field", "value");
  csv.line("title", report.title);
  for (const auto& [name, value] : fields_of(report.provenance)) csv.line(name, value);
  return std::move(csv).text();
}

// The files and folders it made go again unless all of them were written.
class Folder {
 public:
  explicit Folder(const std::filesystem::path& folder) : folder_(folder) {
    std::error_code error, ignored;
    for (auto at = folder; !at.empty() && !std::filesystem::exists(at, ignored);
         at = at.parent_path()) {
      made_.push_back(at);
    }
    std::filesystem::create_directories(folder, error);
    if (!error) return;
    remove();
    fail(ErrorCode::kUnavailable, "{}: cannot make the folder: {}", folder.string(),
         error.message());
  }
  ~Folder() { remove(); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  void write(const std::string& name, const std::string& text) {
    io::write_file(folder_ / name, text);
    made_.insert(made_.begin(), folder_ / name);
  }
  void keep() { made_.clear(); }

 private:
  // Deepest first; a folder in which others wrote meanwhile stays.
  void remove() const {
    std::error_code ignored;
    for (const std::filesystem::path& path : made_) std::filesystem::remove(path, ignored);
  }

  std::filesystem::path folder_;
  std::vector<std::filesystem::path> made_;
};

// "NN-title.csv" for each block; the blocks of a group bear its number before their own.
void write_blocks(const std::vector<Block>& blocks, const std::string& prefix, Folder& folder) {
  for (size_t i = 0; i < blocks.size(); ++i) {
    const std::string number = fmt::format("{}{:02}-", prefix, i + 1);
    const std::string name = slug(title_of(blocks[i]), kLongestSlug);
    CsvText csv;
    std::visit(BlockCsv{csv}, blocks[i]);
    folder.write(number + (name.empty() ? std::string(kind_name(blocks[i])) : name) + ".csv",
                 std::move(csv).text());
    if (const auto* group = std::get_if<GroupBlock>(&blocks[i])) {
      write_blocks(group->blocks, number, folder);
    }
  }
}

}  // namespace
}  // namespace report

void write_csv(const Report& report, const std::filesystem::path& folder) {
  report::validate(report);
  report::Folder made(folder);
  report::write_blocks(report.blocks, "", made);
  made.write("provenance.csv", report::provenance_csv(report));
  made.keep();
}

}  // namespace weir
