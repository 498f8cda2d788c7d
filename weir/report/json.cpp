#include "weir/io/json.h"

#include <cmath>

#include <nlohmann/json.hpp>

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
  return std::get<std::string>(cell);
}

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
      json["series"].push_back(Json{{"name", series.name}, {"y", numbers(series.y)}});
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
    json["points"] = Json::array();
    for (const ScatterPoint& point : scatter.points) {
      json["points"].push_back(Json{{"x", number(point.x)},
                                    {"y", number(point.y)},
                                    {"label", point.label},
                                    {"group", point.group}});
    }
  }

  void operator()(const TokenStripBlock& strip) const {
    json["value_label"] = strip.value_label;
    json["tokens"] = strip.tokens;
    json["values"] = numbers(strip.values);
    json["details"] = strip.details;
    json["range"] = range_json(strip.range);
  }

  void operator()(const AttentionBlock& attention) const {
    json["tokens"] = attention.tokens;
    json["heads"] = attention.heads;
    json["patterns"] = Json::array();
    for (const auto& pattern : attention.patterns) json["patterns"].push_back(numbers(pattern));
  }

  void operator()(const TextBlock& text) const { json["text"] = text.text; }
};

Json provenance_json(const Provenance& provenance) {
  Json json = Json::object();
  for (const auto& [name, text] : fields_of(provenance)) json[name] = text;
  if (provenance.seed) json["seed"] = *provenance.seed;
  if (provenance.threads != 0) json["threads"] = provenance.threads;
  if (provenance.wall_seconds != 0) json["wall_seconds"] = number(provenance.wall_seconds);
  return json;
}

}  // namespace

Json to_json(const Report& report) {
  Json json;
  json["schema"] = "weir.report/1";
  json["title"] = report.title;
  json["provenance"] = provenance_json(report.provenance);
  json["blocks"] = Json::array();
  for (const Block& block : report.blocks) {
    Json fields;
    fields["type"] = kind_name(block);
    fields["title"] = title_of(block);
    std::visit(BlockFields{fields}, block);
    json["blocks"].push_back(std::move(fields));
  }
  return json;
}

}  // namespace report

std::string render_json(const Report& report) {
  report::validate(report);
  return io::dump_json(report::to_json(report), 1) + '\n';
}

}  // namespace weir
