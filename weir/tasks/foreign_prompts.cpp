// Entries of the files that others publish.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/tasks/prompt_entry.h"

namespace weir {
namespace {

using nlohmann::json;

std::string spaced(const std::string& word) {
  return word.empty() || word.front() == ' ' ? word : " " + word;
}

/// "target_true": "France" or {"str": "France", "id": "Q142"}.
std::string target(const json& entry, const char* key, const std::string& what) {
  const bool is_object = entry.contains(key) && entry[key].is_object();
  return spaced(is_object ? io::get_string(entry[key], "str", what)
                          : io::get_string(entry, key, what));
}

/// `text` with the part "subject" where `form` has its hole, else at its first occurrence.
PromptText with_subject(const std::string& text, const std::string& subject,
                        const std::string& form) {
  PromptText prompt{text, {}};
  if (subject.empty()) return prompt;
  const size_t hole = form.find("{}");
  const bool fits = hole != std::string::npos && text.compare(hole, subject.size(), subject) == 0;
  const size_t begin = fits ? hole : text.find(subject);
  if (begin != std::string::npos) prompt.parts["subject"] = {begin, begin + subject.size()};
  return prompt;
}

/// {"answers": [..]} and the like: the first, null where there is none.
json first_of(const json& entry, const std::vector<const char*>& keys, bool* has_more) {
  for (const char* key : keys) {
    if (!entry.contains(key)) continue;
    const json& value = entry[key];
    if (!value.is_array()) return value;
    *has_more = *has_more || value.size() > 1;
    return value.empty() ? json() : value[0];
  }
  return json();
}

std::string text_or_nothing(const json& value, const std::string& what) {
  if (value.is_null()) return "";
  if (!value.is_string()) {
    fail(ErrorCode::kCorruptData, "{}: expected texts as answers, got {}", what, value.dump());
  }
  return value.get<std::string>();
}

// A two-digit year that is greater, or less, in its tens (greater_than.cpp), if there is one.
std::string other_year(int year, bool is_greater) {
  const int tens = year / 10 + (is_greater ? 1 : -1);
  const bool has_tens = tens >= 0 && tens <= 9;
  return fmt::format("{:02}", has_tens ? 10 * tens + year % 10 : year + (is_greater ? 1 : -1));
}

/// Greater-than (Hanna et al. 2023): the label is the year's last two digits, not the answer.
void set_years(TextPrompt& prompt, const std::string& label, const std::string& what) {
  const bool is_number = !label.empty() && label.size() <= 2 &&
                         label.find_first_not_of("0123456789") == std::string::npos;
  const int year = is_number ? std::stoi(label) : 0;
  if (year < 1 || year > 98) {
    fail(ErrorCode::kCorruptData, "{}: expected a year from 01 to 98 as label, got '{}'", what,
         label);
  }
  prompt.answer = other_year(year, true);
  prompt.wrong = other_year(year, false);
  prompt.groups["year"] = label;
}

/// TransformerLens's and auto-circuit's pairs; in ids where no tokenizer belongs to the model.
PromptEntry clean_corrupt_entry(const json& entry, const std::string& what) {
  PromptEntry result;
  const json answer = first_of(entry, {"answers", "answer"}, &result.has_more_answers);
  bool ignored = false;
  const json wrong = first_of(entry, {"wrong_answers", "wrong"}, &ignored);
  const char* corrupt = entry.contains("corrupted") ? "corrupted" : "corrupt";
  if (entry["clean"].is_array()) {
    json own = {{"tokens", entry["clean"]}};
    if (entry.contains(corrupt)) own["corrupt"] = {{"tokens", entry[corrupt]}};
    if (!answer.is_null()) own["answer"] = answer;
    if (!wrong.is_null()) own["wrong"] = wrong;
    result.prompt = own_token_prompt(own, what);
    return result;
  }
  TextPrompt prompt;
  prompt.clean.text = io::get_string(entry, "clean", what);
  if (const auto text = io::find_string(entry, corrupt, what)) {
    prompt.corruptions = {{{*text, {}}, ""}};
  }
  prompt.answer = text_or_nothing(answer, what);
  prompt.wrong = text_or_nothing(wrong, what);
  const auto label = io::find_string(entry, "label", what);
  if (label && prompt.answer.empty()) set_years(prompt, *label, what);
  if (prompt.answer.empty()) {
    fail(ErrorCode::kCorruptData, "{}: expected an answer (\"answers\", \"answer\" or \"label\")",
         what);
  }
  result.prompt = std::move(prompt);
  return result;
}

TextPrompt counterfact_prompt(const json& rewrite, const std::string& what) {
  const std::string form = io::get_string(rewrite, "prompt", what);
  const std::string subject = io::get_string(rewrite, "subject", what);
  const size_t hole = form.find("{}");
  if (hole == std::string::npos) {
    fail(ErrorCode::kCorruptData, "{}: expected a prompt with {{}}, got '{}'", what, form);
  }
  TextPrompt prompt;
  prompt.clean.add(form.substr(0, hole)).add(subject, "subject").add(form.substr(hole + 2));
  prompt.answer = target(rewrite, "target_true", what);
  prompt.wrong = target(rewrite, "target_new", what);
  prompt.groups["subject"] = subject;
  if (const auto relation = io::find_string(rewrite, "relation_id", what)) {
    prompt.groups["relation"] = *relation;
  }
  return prompt;
}

TextPrompt listed_prompt(const json& entry, const std::string& what) {
  if (entry.contains("requested_rewrite")) {
    return counterfact_prompt(entry["requested_rewrite"], what);
  }
  TextPrompt prompt;
  const std::string subject = io::find_string(entry, "subject", what).value_or("");
  const std::string form = io::find_string(entry, "template", what).value_or("");
  prompt.clean = with_subject(io::get_string(entry, "prompt", what), subject, form);
  if (!subject.empty()) prompt.groups["subject"] = subject;
  if (const auto relation = io::find_string(entry, "relation_id", what)) {
    prompt.groups["relation"] = *relation;
  }
  if (entry.contains("attribute")) {  // known_1000
    prompt.answer = target(entry, "attribute", what);
  } else if (entry.contains("target_true")) {
    prompt.answer = target(entry, "target_true", what);
    for (const char* key : {"target_false", "target_new"}) {
      if (entry.contains(key)) prompt.wrong = target(entry, key, what);
    }
  } else {
    prompt.answer = target(entry, "answer", what);
    if (entry.contains("wrong")) prompt.wrong = target(entry, "wrong", what);
  }
  if (prompt.answer.size() < 2) fail(ErrorCode::kCorruptData, "{}: expected an answer", what);
  if (prompt.wrong.empty()) find_indirect_object(prompt);
  return prompt;
}

}  // namespace

PromptEntry read_prompt_entry(const json& entry, const std::string& what) {
  // Colored objects (circuit_reuse): [prompt, answer].
  const bool is_pair =
      entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_string();
  if (is_pair) {
    TextPrompt prompt;
    prompt.clean.text = entry[0].get<std::string>();
    prompt.answer = spaced(entry[1].get<std::string>());
    return {prompt};
  }
  if (!entry.is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object or [prompt, answer], found {}", what,
         entry.type_name());
  }
  if (entry.contains("tokens")) return {own_token_prompt(entry, what)};
  if (entry.contains("text")) return {own_text_prompt(entry, what)};
  if (entry.contains("clean")) return clean_corrupt_entry(entry, what);
  if (entry.contains("prompt") || entry.contains("requested_rewrite")) {
    return {listed_prompt(entry, what)};
  }
  std::vector<std::string> keys;
  for (const auto& [key, value] : entry.items()) keys.push_back(key);
  fail(ErrorCode::kCorruptData,
       "{}: expected \"text\", \"tokens\", \"clean\" or \"prompt\" (docs/methods/tasks.md), found "
       "the keys {}",
       what, fmt::join(keys, ", "));
}

}  // namespace weir
