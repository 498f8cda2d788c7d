#include "weir/io/json.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/report/base64.h"
#include "weir/report/block_kind.h"
#include "weir/report/report.h"
#include "weir/report/report_json.h"
#include "weir/report/validate.h"

namespace weir {
namespace report {
namespace {

using Json = nlohmann::ordered_json;

// JSON has no NaN and no infinity.
Json number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json numbers(const std::vector<double>& values) {
  Json array = Json::array();
  for (const double value : values) array.push_back(number(value));
  return array;
}

Json numbers(const std::vector<std::vector<double>>& rows) {
  Json array = Json::array();
  for (const auto& row : rows) array.push_back(numbers(row));
  return array;
}

Json range_json(const std::optional<std::pair<double, double>>& range) {
  return range ? Json::array({range->first, range->second}) : Json(nullptr);
}

Json cell_json(const Cell& cell) {
  if (const auto* value = std::get_if<double>(&cell)) return number(*value);
  if (const auto* value = std::get_if<int64_t>(&cell)) return *value;
  if (const auto* link = std::get_if<Link>(&cell)) {
    return Json{{"text", link->text}, {"target", link->target}};
  }
  return std::get<std::string>(cell);
}

Json blocks_json(const std::vector<Block>& blocks);

// Each adds the fields of its kind of block, under the names of report.h.
struct BlockFields {
  Json& json;

  void operator()(const TableBlock& table) const {
    json["columns"] = table.columns;
    json["rows"] = Json::array();
    for (const auto& row : table.rows) {
      Json cells = Json::array();
      for (const Cell& cell : row) cells.push_back(cell_json(cell));
      json["rows"].push_back(std::move(cells));
    }
    json["note"] = table.note;
  }

  void operator()(const HeatMapBlock& map) const {
    json["x_label"] = map.x_label;
    json["y_label"] = map.y_label;
    json["value_label"] = map.value_label;
    json["x_ticks"] = map.x_ticks;
    json["y_ticks"] = map.y_ticks;
    json["values"] = numbers(map.values);
    json["cell_text"] = map.cell_text;
    json["range"] = range_json(map.range);
    json["y_up"] = map.y_up;
    json["diverging"] = map.diverging;
  }

  void operator()(const CurvesBlock& curves) const {
    json["x_label"] = curves.x_label;
    json["y_label"] = curves.y_label;
    json["x"] = numbers(curves.x);
    json["series"] = Json::array();
    for (const Series& series : curves.series) {
      json["series"].push_back(Json{{"name", series.name},
                                    {"y", numbers(series.y)},
                                    {"lower", numbers(series.lower)},
                                    {"upper", numbers(series.upper)}});
    }
    json["log_y"] = curves.log_y;
  }

  void operator()(const HistogramBlock& histogram) const {
    json["x_label"] = histogram.x_label;
    json["edges"] = numbers(histogram.edges);
    json["counts"] = numbers(histogram.counts);
  }

  void operator()(const ScatterBlock& scatter) const {
    json["x_label"] = scatter.x_label;
    json["y_label"] = scatter.y_label;
    json["x"] = numbers(scatter.x);
    json["y"] = numbers(scatter.y);
    json["labels"] = scatter.labels;
    const Grouping groups = grouping_of(scatter);
    json["group_names"] = groups.names;
    json["groups"] = groups.of_point;
    json["values"] = numbers(scatter.values);
    json["value_label"] = scatter.value_label;
    json["range"] = range_json(scatter.range);
    json["diverging"] = scatter.diverging;
    json["targets"] = scatter.targets;
  }

  void operator()(const TokenStripBlock& strip) const {
    json["value_label"] = strip.value_label;
    json["tokens"] = strip.tokens;
    json["values"] = numbers(strip.values);
    json["details"] = strip.details;
    json["range"] = range_json(strip.range);
  }

  void operator()(const PassagesBlock& block) const {
    json["value_label"] = block.value_label;
    json["largest"] = number(block.largest);
    json["passages"] = Json::array();
    for (const Passage& passage : block.passages) {
      json["passages"].push_back({{"note", passage.note},
                                  {"tokens", passage.tokens},
                                  {"values", numbers(passage.values)}});
    }
  }

  void operator()(const AttentionBlock& attention) const {
    json["tokens"] = attention.tokens;
    json["heads"] = attention.heads;
    json["patterns"] = Json::array();
    for (const auto& pattern : attention.patterns) json["patterns"].push_back(numbers(pattern));
  }

  void operator()(const TextBlock& text) const { json["text"] = text.text; }

  void operator()(const GraphBlock& graph) const {
    json["x_label"] = graph.x_label;
    json["y_label"] = graph.y_label;
    json["value_label"] = graph.value_label;
    json["weight_label"] = graph.weight_label;
    json["x_ticks"] = graph.x_ticks;
    json["y_ticks"] = graph.y_ticks;
    json["nodes"] = json["edges"] = Json::array();
    for (const GraphNode& node : graph.nodes) {
      json["nodes"].push_back(Json{{"label", node.label},
                                   {"layer", node.layer},
                                   {"position", node.position},
                                   {"value", number(node.value)},
                                   {"target", node.target}});
    }
    for (const GraphEdge& edge : graph.edges) {
      json["edges"].push_back(
          Json{{"from", edge.from}, {"to", edge.to}, {"weight", number(edge.weight)}});
    }
  }

  void operator()(const MediaBlock& media) const {
    json["mime"] = media.mime;
    json["data"] = base64(media.bytes);
    json["path"] = media.path;
    json["caption"] = media.caption;
  }

  void operator()(const GroupBlock& group) const {
    json["collapsed"] = group.collapsed;
    json["tabs"] = group.tabs;
    json["blocks"] = blocks_json(group.blocks);
  }
};

Json blocks_json(const std::vector<Block>& blocks) {
  Json json = Json::array();
  for (const Block& block : blocks) {
    Json fields;
    fields["type"] = kind_name(block);
    fields["title"] = title_of(block);
    std::visit(BlockFields{fields}, block);
    json.push_back(std::move(fields));
  }
  return json;
}

Json provenance_json(const Provenance& provenance) {
  Json json = Json::object();
  for (const auto& [name, text] : named_fields(provenance)) {
    if (!text.empty()) json[name] = text;
  }
  if (provenance.seed) json["seed"] = *provenance.seed;
  if (provenance.threads != 0) json["threads"] = provenance.threads;
  if (provenance.wall_seconds != 0) json["wall_seconds"] = number(provenance.wall_seconds);
  for (const auto& [name, text] : provenance.extra) {
    json["extra"].push_back(Json{{"name", name}, {"value", text}});
  }
  return json;
}

}  // namespace

Json to_json(const Report& report) {
  Json json;
  json["schema"] = kSchemaName + std::to_string(kSchemaVersion);
  json["title"] = report.title;
  json["provenance"] = provenance_json(report.provenance);
  json["blocks"] = blocks_json(report.blocks);
  return json;
}

}  // namespace report

std::string render_json(const Report& report) {
  report::validate(report);
  return io::dump_json(report::to_json(report), 1) + '\n';
}

}  // namespace weir
