#include "weir/train/update_record.h"

#include <nlohmann/json.hpp>

#include "weir/io/json.h"

namespace weir {

nlohmann::ordered_json to_line(const UpdateRecord& record, const std::string& unit) {
  nlohmann::ordered_json line = {{"step", record.step},
                                 {unit, record.units},
                                 {"loss", record.loss},
                                 {"lr", record.rate},
                                 {"grad_norm", record.gradient_norm},
                                 {unit + "_per_second", record.units_per_second}};
  if (!std::isnan(record.validation_loss)) line["validation_loss"] = record.validation_loss;
  for (const auto& [name, value] : record.more) line["more"][name] = value;
  return line;
}

UpdateRecord record_of(const nlohmann::json& line, const std::string& unit) {
  constexpr const char* kWhat = "metrics.jsonl";
  UpdateRecord record;
  record.step = io::get_int(line, "step", 0, INT64_MAX, kWhat);
  record.units = io::get_int(line, unit, 0, INT64_MAX, kWhat);
  record.loss = io::get_double(line, "loss", kWhat);
  record.rate = io::get_double(line, "lr", kWhat);
  record.gradient_norm = io::get_double(line, "grad_norm", kWhat);
  record.units_per_second = io::get_double(line, unit + "_per_second", kWhat);
  record.validation_loss = io::find_double(line, "validation_loss", kWhat).value_or(NAN);
  if (const auto more = line.find("more"); more != line.end()) {
    for (const auto& [name, value] : more->items()) {
      if (value.is_number()) record.more.emplace_back(name, value.get<double>());
    }
  }
  return record;
}

}  // namespace weir
