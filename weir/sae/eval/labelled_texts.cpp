#include "weir/sae/eval/labelled_texts.h"

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"

namespace weir {
namespace {

std::string label_of(const nlohmann::json& row, const std::string& field, const std::string& what) {
  const auto found = row.find(field);
  if (found == row.end() || found->is_structured() || found->is_null()) {
    fail(ErrorCode::kCorruptData, "{}: expected a label \"{}\"", what, field);
  }
  return found->is_string() ? found->get<std::string>() : found->dump();
}

bool is_test_row(const nlohmann::json& row, const std::string& what) {
  const std::string split = io::get_string(row, "split", what);
  if (split != "train" && split != "test") {
    fail(ErrorCode::kCorruptData, "{}: expected the split train or test, got {}", what, split);
  }
  return split == "test";
}

/// Draws the test rows of each label.
void draw_split(LabelledTexts* texts, const LabelledTextsOptions& options) {
  std::map<std::string, std::vector<size_t>> rows;
  for (size_t i = 0; i < texts->size(); ++i) rows[texts->label[i]].push_back(i);
  Draw draw(options.seed);
  texts->is_test.assign(texts->size(), false);
  for (auto& [label, of_label] : rows) {
    draw.shuffle(of_label);
    const auto n = static_cast<size_t>(options.test_share * static_cast<double>(of_label.size()));
    for (size_t i = 0; i < n; ++i) texts->is_test[of_label[i]] = true;
  }
}

LabelledTexts cut(const LabelledTexts& texts, const LabelledTextsOptions& options) {
  if (options.most_per_label == 0) return texts;
  std::vector<size_t> order(texts.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Draw(options.seed + 1).shuffle(order);
  std::map<std::pair<std::string, bool>, int64_t> n;
  std::set<size_t> kept;
  for (const size_t i : order) {
    if (++n[{texts.label[i], texts.is_test[i]}] <= options.most_per_label) kept.insert(i);
  }
  LabelledTexts result;
  result.name = texts.name;
  for (const size_t i : kept) {
    result.text.push_back(texts.text[i]);
    result.label.push_back(texts.label[i]);
    if (!texts.attribute.empty()) result.attribute.push_back(texts.attribute[i]);
    result.is_test.push_back(texts.is_test[i]);
  }
  return result;
}

void check(const LabelledTexts& texts) {
  require(texts.labels().size() > 1, "{}: expected texts of at least two labels", texts.name);
  for (const std::string& label : texts.labels()) {
    int64_t n[2] = {0, 0};
    for (size_t i = 0; i < texts.size(); ++i) {
      if (texts.label[i] == label) ++n[texts.is_test[i] ? 1 : 0];
    }
    require(n[0] > 0 && n[1] > 0, "{}: label {} has {} rows to learn from and {} to test on",
            texts.name, label, n[0], n[1]);
  }
}

const char* subjects_jsonl() {
  return
#include "weir_sae_eval_subjects.inc"
      ;
}

}  // namespace

std::vector<std::string> LabelledTexts::labels() const {
  const std::set<std::string> all(label.begin(), label.end());
  return {all.begin(), all.end()};
}

LabelledTexts parse_labelled_texts(const std::string& lines, const std::string& name,
                                   const LabelledTextsOptions& options) {
  LabelledTexts texts;
  texts.name = name;
  std::istringstream in(lines);
  std::string line;
  int64_t number = 0;
  bool has_split = false;
  while (std::getline(in, line)) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string what = fmt::format("{}, line {}", name, number);
    const nlohmann::json row = io::parse_json(line, what);
    texts.text.push_back(io::get_string(row, options.text_field, what));
    texts.label.push_back(label_of(row, options.label_field, what));
    if (!options.attribute_field.empty()) {
      texts.attribute.push_back(label_of(row, options.attribute_field, what));
    }
    if (texts.size() == 1) has_split = row.contains("split");
    if (has_split) texts.is_test.push_back(is_test_row(row, what));
  }
  if (!has_split) draw_split(&texts, options);
  texts = cut(texts, options);
  check(texts);
  return texts;
}

LabelledTexts read_labelled_texts(const std::filesystem::path& file,
                                  const LabelledTextsOptions& options) {
  const auto mapped = io::MappedFile::open(file);
  return parse_labelled_texts(std::string(mapped->bytes()), file.filename().string(), options);
}

LabelledTexts subject_passages() { return parse_labelled_texts(subjects_jsonl(), "subjects"); }

}  // namespace weir
