#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"
#include "weir/report/base64.h"
#include "weir/report/report.h"
#include "weir/report/report_json.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

using nlohmann::json;
using Strings = std::vector<std::string>;
using Numbers = std::vector<double>;

// Reads the fields of one object. What is absent is empty, as in a document of an older schema;
// what is there must be of its type. Whether the lengths fit together is for `validate`.
class Fields {
 public:
  Fields(const json& object, std::string_view what) : object_(object), what_(what) {
    if (!object.is_object()) wrong("an object", object);
  }

  const std::string& what() const { return what_; }

  std::string text(const char* key) const {
    return io::find_string(object_, key, what_).value_or("");
  }
  bool flag(const char* key, bool otherwise = false) const {
    return io::find_bool(object_, key, what_).value_or(otherwise);
  }
  int64_t integer(const char* key, int64_t least = INT64_MIN) const {
    return io::find_int(object_, key, least, INT64_MAX, what_).value_or(0);
  }
  std::optional<int64_t> integer_or_none(const char* key) const {
    return io::find_int(object_, key, INT64_MIN, INT64_MAX, what_);
  }
  double number(const char* key, double otherwise) const {
    return io::find_double(object_, key, what_).value_or(otherwise);
  }

  /// Calls `read(item)` for each item of the array, if there is one.
  template <typename Read>
  void each(const char* key, const Read& read) const {
    const auto found = object_.find(key);
    if (found == object_.end()) return;
    items(*found, read);
  }

  template <typename Read>
  void items(const json& array, const Read& read) const {
    if (!array.is_array()) wrong("an array", array);
    for (const json& item : array) read(item);
  }

  Strings texts(const char* key) const {
    Strings result;
    each(key, [&](const json& item) { result.push_back(text_of(item)); });
    return result;
  }
  Numbers numbers(const char* key) const {
    Numbers result;
    each(key, [&](const json& item) { result.push_back(number_of(item)); });
    return result;
  }

  Strings texts_of(const json& array) const {
    Strings result;
    items(array, [&](const json& item) { result.push_back(text_of(item)); });
    return result;
  }
  Numbers numbers_of(const json& array) const {
    Numbers result;
    items(array, [&](const json& item) { result.push_back(number_of(item)); });
    return result;
  }
  std::vector<Numbers> rows_of(const json& array) const {
    std::vector<Numbers> result;
    items(array, [&](const json& item) { result.push_back(numbers_of(item)); });
    return result;
  }

  std::optional<std::pair<double, double>> range() const {
    const Numbers ends = object_.value("range", json()).is_null() ? Numbers() : numbers("range");
    if (ends.empty()) return std::nullopt;
    if (ends.size() != 2) wrong("two ends of a range", object_["range"]);
    return std::pair(ends[0], ends[1]);
  }

  std::string text_of(const json& item) const {
    if (!item.is_string()) wrong("a string", item);
    return item.get<std::string>();
  }
  double number_of(const json& item) const {
    if (item.is_null()) return NAN;
    if (!item.is_number()) wrong("a number or null", item);
    return item.get<double>();
  }
  size_t index_of(const json& item) const {
    if (!item.is_number_unsigned()) wrong("an index", item);
    return item.get<size_t>();
  }

  [[noreturn]] void wrong(const char* expected, const json& found) const {
    fail(ErrorCode::kCorruptData, "{}: expected {}, found {}", what_, expected,
         io::printable(io::dump_json(found)));
  }

 private:
  const json& object_;
  std::string what_;
};

Cell cell_of(const Fields& fields, const json& item) {
  if (item.is_string()) return item.get<std::string>();
  if (item.is_object()) {
    const Fields link(item, fields.what());
    return Link{link.text("text"), link.text("target")};
  }
  const bool is_large = item.is_number_unsigned() && item.get<uint64_t>() > uint64_t{INT64_MAX};
  if (item.is_number_integer() && !is_large) return item.get<int64_t>();
  return fields.number_of(item);
}

TableBlock table_of(const Fields& fields) {
  TableBlock table{"", fields.texts("columns"), {}, fields.text("note")};
  fields.each("rows", [&](const json& row) {
    table.rows.emplace_back();
    fields.items(row,
                 [&](const json& item) { table.rows.back().push_back(cell_of(fields, item)); });
  });
  return table;
}

HeatMapBlock heat_map_of(const Fields& fields) {
  HeatMapBlock map;
  map.x_label = fields.text("x_label");
  map.y_label = fields.text("y_label");
  map.value_label = fields.text("value_label");
  map.x_ticks = fields.texts("x_ticks");
  map.y_ticks = fields.texts("y_ticks");
  fields.each("values", [&](const json& row) { map.values.push_back(fields.numbers_of(row)); });
  fields.each("cell_text", [&](const json& row) { map.cell_text.push_back(fields.texts_of(row)); });
  map.range = fields.range();
  map.y_up = fields.flag("y_up", true);
  map.diverging = fields.flag("diverging");
  return map;
}

CurvesBlock curves_of(const Fields& fields) {
  CurvesBlock curves;
  curves.x_label = fields.text("x_label");
  curves.y_label = fields.text("y_label");
  curves.x = fields.numbers("x");
  fields.each("series", [&](const json& item) {
    const Fields series(item, fields.what());
    curves.series.push_back({series.text("name"), series.numbers("y"), series.numbers("lower"),
                             series.numbers("upper")});
  });
  curves.log_y = fields.flag("log_y");
  return curves;
}

// Of schema 1: a point was an object with x, y, label and group. A list of which no point has a
// label, or a group, is one without labels, or groups.
void add_points(const Fields& fields, ScatterBlock& scatter) {
  bool has_labels = false, has_groups = false;
  fields.each("points", [&](const json& item) {
    const Fields point(item, fields.what());
    scatter.x.push_back(point.number("x", NAN));
    scatter.y.push_back(point.number("y", NAN));
    scatter.labels.push_back(point.text("label"));
    scatter.groups.push_back(point.text("group"));
    has_labels = has_labels || !scatter.labels.back().empty();
    has_groups = has_groups || !scatter.groups.back().empty();
  });
  if (!has_labels) scatter.labels.clear();
  if (!has_groups) scatter.groups.clear();
}

ScatterBlock scatter_of(const Fields& fields, int schema) {
  ScatterBlock scatter;
  scatter.x_label = fields.text("x_label");
  scatter.y_label = fields.text("y_label");
  if (schema == 1) {
    add_points(fields, scatter);
    return scatter;
  }
  scatter.x = fields.numbers("x");
  scatter.y = fields.numbers("y");
  scatter.labels = fields.texts("labels");
  const Strings names = fields.texts("group_names");
  fields.each("groups", [&](const json& item) {
    const size_t index = fields.index_of(item);
    if (index >= names.size()) fields.wrong("the index of a group", item);
    scatter.groups.push_back(names[index]);
  });
  scatter.values = fields.numbers("values");
  scatter.value_label = fields.text("value_label");
  scatter.range = fields.range();
  scatter.diverging = fields.flag("diverging");
  scatter.targets = fields.texts("targets");
  return scatter;
}

TokenStripBlock token_strip_of(const Fields& fields) {
  return {"",
          fields.text("value_label"),
          fields.texts("tokens"),
          fields.numbers("values"),
          fields.texts("details"),
          fields.range()};
}

PassagesBlock passages_of(const Fields& fields) {
  PassagesBlock block{"", fields.text("value_label"), {}, fields.number("largest", 0)};
  fields.each("passages", [&](const json& item) {
    const Fields passage(item, fields.what());
    block.passages.push_back(
        {passage.text("note"), passage.texts("tokens"), passage.numbers("values")});
  });
  return block;
}

AttentionBlock attention_of(const Fields& fields) {
  AttentionBlock attention{"", fields.texts("tokens"), fields.texts("heads"), {}};
  fields.each("patterns",
              [&](const json& item) { attention.patterns.push_back(fields.rows_of(item)); });
  return attention;
}

GraphBlock graph_of(const Fields& fields) {
  GraphBlock graph{"",
                   fields.text("x_label"),
                   fields.text("y_label"),
                   fields.text("value_label"),
                   fields.text("weight_label"),
                   fields.texts("x_ticks"),
                   fields.texts("y_ticks")};
  fields.each("nodes", [&](const json& item) {
    const Fields node(item, fields.what());
    graph.nodes.push_back({node.text("label"), node.integer("layer"), node.integer("position"),
                           node.number("value", NAN), node.text("target")});
  });
  fields.each("edges", [&](const json& item) {
    const Fields edge(item, fields.what());
    graph.edges.push_back({static_cast<size_t>(edge.integer("from", 0)),
                           static_cast<size_t>(edge.integer("to", 0)), edge.number("weight", NAN)});
  });
  return graph;
}

MediaBlock media_of(const Fields& fields) {
  MediaBlock media{"", fields.text("mime"), "", fields.text("path"), fields.text("caption")};
  const auto bytes = from_base64(fields.text("data"));
  if (!bytes) fail(ErrorCode::kCorruptData, "{}: expected base64 in 'data'", fields.what());
  media.bytes = *bytes;
  return media;
}

std::vector<Block> blocks_of(const Fields& fields, int schema);

Block block_of(const Fields& fields, int schema) {
  const std::string type = fields.text("type");
  if (type == "table") return table_of(fields);
  if (type == "heat_map") return heat_map_of(fields);
  if (type == "curves") return curves_of(fields);
  if (type == "histogram") {
    return HistogramBlock{"", fields.text("x_label"), fields.numbers("edges"),
                          fields.numbers("counts")};
  }
  if (type == "scatter") return scatter_of(fields, schema);
  if (type == "token_strip") return token_strip_of(fields);
  if (type == "passages") return passages_of(fields);
  if (type == "attention") return attention_of(fields);
  if (type == "text") return TextBlock{"", fields.text("text")};
  if (type == "graph") return graph_of(fields);
  if (type == "media") return media_of(fields);
  if (type == "group") {
    return GroupBlock{"", blocks_of(fields, schema), fields.flag("collapsed"), fields.flag("tabs")};
  }
  fail(ErrorCode::kCorruptData, "{}: expected a type of block, found '{}'", fields.what(),
       io::printable(type));
}

std::vector<Block> blocks_of(const Fields& fields, int schema) {
  std::vector<Block> blocks;
  fields.each("blocks", [&](const json& item) {
    const Fields one(item, fmt::format("{}, block {}", fields.what(), blocks.size() + 1));
    blocks.push_back(block_of(one, schema));
    std::visit([&](auto& block) { block.title = one.text("title"); }, blocks.back());
  });
  return blocks;
}

Provenance provenance_of(const Fields& fields, const json& object) {
  Provenance provenance{
      fields.text("model"),      fields.text("model_sha256"), fields.text("tokenizer"),
      fields.text("processing"), fields.text("dtype"),        fields.text("device"),
      fields.text("command"),    fields.text("version"),      fields.integer_or_none("seed")};
  const int64_t threads = fields.integer("threads", 0);
  if (threads > INT32_MAX) fields.wrong("a number of threads", object["threads"]);
  provenance.threads = static_cast<int>(threads);
  provenance.wall_seconds = fields.number("wall_seconds", 0);
  fields.each("extra", [&](const json& item) {
    const Fields pair(item, fields.what());
    provenance.extra.emplace_back(pair.text("name"), pair.text("value"));
  });
  return provenance;
}

int schema_of(const Fields& fields) {
  const std::string name = fields.text("schema");
  for (int version = 1; version <= kSchemaVersion; ++version) {
    if (name == kSchemaName + std::to_string(version)) return version;
  }
  const bool is_newer =
      name.rfind(kSchemaName, 0) == 0 && name.size() > kSchemaName.size() &&
      name[kSchemaName.size()] != '0' &&
      name.find_first_not_of("0123456789", kSchemaName.size()) == std::string::npos;
  fail(is_newer ? ErrorCode::kUnsupported : ErrorCode::kCorruptData,
       "{}: expected a report of schema {}1 to {}, found '{}'{}", fields.what(), kSchemaName,
       kSchemaVersion, io::printable(name), is_newer ? "; a newer Weir may read it" : "");
}

}  // namespace
}  // namespace report

Report parse_report(std::string_view text, std::string_view what) {
  const nlohmann::json document = io::parse_json(text, what);
  const report::Fields fields(document, what);
  const int schema = report::schema_of(fields);
  const nlohmann::json provenance = document.value("provenance", nlohmann::json::object());
  Report report;
  report.title = fields.text("title");
  report.provenance = report::provenance_of(
      report::Fields(provenance, std::string(what) + ", provenance"), provenance);
  report.blocks = report::blocks_of(fields, schema);
  try {
    report::validate(report);
  } catch (const Error& error) {
    fail(ErrorCode::kCorruptData, "{}: {}", what, error.what());
  }
  return report;
}

}  // namespace weir
