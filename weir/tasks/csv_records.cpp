#include "weir/tasks/csv_records.h"

#include <nlohmann/json.hpp>

#include "weir/base/error.h"

namespace weir {
namespace {

using Rows = std::vector<std::vector<std::string>>;

Rows rows_of(const std::string& text, const std::string& what) {
  Rows rows;
  std::vector<std::string> row;
  std::string field;
  bool is_quoted = false, is_empty = true;  // `is_empty`: nothing of this row yet.
  const auto end_row = [&] {
    if (is_empty) return;
    row.push_back(std::move(field));
    rows.push_back(std::move(row));
    row.clear();
    field.clear();
    is_empty = true;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_quoted) {
      const bool is_doubled = c == '"' && i + 1 < text.size() && text[i + 1] == '"';
      if (c == '"' && !is_doubled) {
        is_quoted = false;
        continue;
      }
      field += c;
      i += is_doubled ? 1 : 0;
    } else if (c == '\n') {
      end_row();
    } else if (c == ',') {
      row.push_back(std::move(field));
      field.clear();
      is_empty = false;
    } else if (c != '\r') {
      is_empty = false;
      if (c == '"') {
        is_quoted = true;
      } else {
        field += c;
      }
    }
  }
  if (is_quoted) fail(ErrorCode::kCorruptData, "{}: expected a closing quote, found none", what);
  end_row();
  return rows;
}

}  // namespace

std::vector<nlohmann::json> csv_records(const std::string& text, const std::string& what) {
  const Rows rows = rows_of(text, what);
  std::vector<nlohmann::json> records;
  for (size_t r = 1; r < rows.size(); ++r) {
    if (rows[r].size() != rows[0].size()) {
      fail(ErrorCode::kCorruptData, "{} row {}: expected {} fields, found {}", what, r + 1,
           rows[0].size(), rows[r].size());
    }
    nlohmann::json record = nlohmann::json::object();
    for (size_t c = 0; c < rows[0].size(); ++c) record[rows[0][c]] = rows[r][c];
    records.push_back(std::move(record));
  }
  return records;
}

}  // namespace weir
