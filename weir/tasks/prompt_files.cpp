#include "weir/tasks/prompt_files.h"

#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/tasks/prompt_text.h"
#include "weir/tasks/relation.h"

namespace weir {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

std::string spaced(const std::string& word) {
  return word.empty() || word.front() == ' ' ? word : " " + word;
}

/// A text whose part `name` is its first occurrence of `part`, if it has one.
PromptText with_part(const std::string& text, const std::string& part, const std::string& name) {
  PromptText prompt{text, {}};
  const size_t begin = part.empty() ? std::string::npos : text.find(part);
  if (begin != std::string::npos) prompt.parts[name] = {begin, begin + part.size()};
  return prompt;
}

// --- Weir's own lines

PromptText text_of(const json& entry, const std::string& what) {
  PromptText prompt{io::get_string(entry, "text", what), {}};
  const json parts = entry.value("parts", json::object());
  for (const auto& [name, span] : parts.items()) {
    const bool is_pair = span.is_array() && span.size() == 2 && span[0].is_number_unsigned() &&
                         span[1].is_number_unsigned() && span[0] < span[1] &&
                         span[1].get<size_t>() <= prompt.text.size();
    if (!is_pair) {
      fail(ErrorCode::kCorruptData, "{}: expected [begin, end] in the text for part '{}', got {}",
           what, name, span.dump());
    }
    prompt.parts[name] = {span[0].get<size_t>(), span[1].get<size_t>()};
  }
  return prompt;
}

std::vector<int64_t> ids_of(const json& value, const std::string& what) {
  std::vector<int64_t> ids;
  const json list = value.is_array() ? value : json::array({value});
  for (const json& id : list) {
    const bool is_id = id.is_number_integer() && id.get<int64_t>() >= 0;
    if (!is_id) fail(ErrorCode::kCorruptData, "{}: expected token ids, got {}", what, value.dump());
    ids.push_back(id.get<int64_t>());
  }
  return ids;
}

RoleTokens tokens_of(const json& entry, const std::string& what) {
  RoleTokens row;
  row.text = entry.value("text", "");
  row.tokens = ids_of(entry.at("tokens"), what);
  if (row.tokens.empty()) fail(ErrorCode::kCorruptData, "{}: expected tokens, found none", what);
  const auto last = static_cast<int64_t>(row.tokens.size()) - 1;
  row.roles["end"] = last;
  const json roles = entry.value("roles", json::object());
  for (const auto& [name, place] : roles.items()) {
    row.roles[name] = io::get_int(roles, name, 0, last, what);
  }
  return row;
}

Prompt prompt_of_tokens(const json& entry, const std::string& what) {
  Prompt prompt;
  prompt.clean = tokens_of(entry, what);
  if (entry.contains("corrupt")) prompt.corrupt = tokens_of(entry["corrupt"], what);
  if (entry.contains("answer")) prompt.answer = ids_of(entry["answer"], what);
  if (entry.contains("wrong")) prompt.wrong = ids_of(entry["wrong"], what);
  const json labels = entry.value("labels", json::object());
  for (const auto& [name, id] : labels.items()) prompt.labels[name] = ids_of(id, what).front();
  const json groups = entry.value("groups", json::object());
  for (const auto& [name, value] : groups.items()) {
    prompt.groups[name] = io::get_string(groups, name, what);
  }
  return prompt;
}

TextPrompt prompt_of_text(const json& entry, const std::string& what) {
  TextPrompt prompt;
  prompt.clean = text_of(entry, what);
  prompt.answer = io::get_string(entry, "answer", what);
  prompt.wrong = io::find_string(entry, "wrong", what).value_or("");
  if (entry.contains("corrupt")) prompt.corruptions = {{text_of(entry["corrupt"], what), ""}};
  const json labels = entry.value("labels", json::object());
  for (const auto& [name, word] : labels.items()) {
    prompt.labels[name] = io::get_string(labels, name, what);
  }
  const json groups = entry.value("groups", json::object());
  for (const auto& [name, value] : groups.items()) {
    prompt.groups[name] = io::get_string(groups, name, what);
  }
  return prompt;
}

void append(PromptSet& set, PromptSet more) {
  for (Prompt& prompt : more.prompts) set.prompts.push_back(std::move(prompt));
  for (std::string& note : more.notes) set.notes.push_back(std::move(note));
}

PromptSet read_lines(const std::string& text, const std::string& what, const Tokenizer& tokenizer,
                     const std::string& task) {
  PromptSet set;
  set.task = task;
  std::istringstream lines(text);
  std::vector<TextPrompt> texts;
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{} line {}", what, ++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const json entry = io::parse_json(line, where);
    if (!entry.is_object()) fail(ErrorCode::kCorruptData, "{}: expected an object", where);
    if (entry.contains("tokens")) {
      set.prompts.push_back(prompt_of_tokens(entry, where));
    } else {
      texts.push_back(prompt_of_text(entry, where));
    }
  }
  const bool is_mixed = !texts.empty() && !set.prompts.empty();
  if (is_mixed) {
    fail(ErrorCode::kCorruptData, "{}: expected \"tokens\" in every line or in none", what);
  }
  if (!texts.empty()) append(set, tokenize_prompts(tokenizer, texts, {task, 0, false}));
  return set;
}

// --- The files of others

TextPrompt clean_corrupt_prompt(const json& entry, const std::string& what) {
  const auto first = [&](const char* key) {
    if (!entry.contains(key)) return std::string();
    const json& value = entry[key];
    return (value.is_array() ? value.at(0) : value).get<std::string>();
  };
  TextPrompt prompt;
  prompt.clean.text = io::get_string(entry, "clean", what);
  prompt.corruptions = {{{io::get_string(entry, "corrupt", what), {}}, ""}};
  prompt.answer = first("answers");
  prompt.wrong = first("wrong_answers");
  return prompt;
}

TextPrompt listed_prompt(const json& entry, const std::string& what) {
  TextPrompt prompt;
  if (entry.contains("requested_rewrite")) {  // CounterFact
    const json& rewrite = entry["requested_rewrite"];
    const std::string form = io::get_string(rewrite, "prompt", what);
    const std::string subject = io::get_string(rewrite, "subject", what);
    const size_t hole = std::min(form.find("{}"), form.size());
    prompt.clean.add(form.substr(0, hole)).add(subject, "subject");
    if (hole + 2 <= form.size()) prompt.clean.add(form.substr(hole + 2));
    prompt.answer = spaced(io::get_string(rewrite.at("target_true"), "str", what));
    prompt.wrong = spaced(io::get_string(rewrite.at("target_new"), "str", what));
    prompt.groups["subject"] = subject;
    return prompt;
  }
  const std::string subject = entry.value("subject", "");
  prompt.clean = with_part(io::get_string(entry, "prompt", what), subject, "subject");
  if (!subject.empty()) prompt.groups["subject"] = subject;
  if (entry.contains("attribute")) {  // known_1000
    prompt.answer = spaced(io::get_string(entry, "attribute", what));
    if (entry.contains("relation_id")) prompt.groups["relation"] = entry["relation_id"];
  } else if (entry.contains("target_true")) {
    prompt.answer = spaced(io::get_string(entry, "target_true", what));
    prompt.wrong = spaced(io::find_string(entry, "target_new", what).value_or(""));
  } else {
    prompt.answer = spaced(io::get_string(entry, "answer", what));
  }
  return prompt;
}

PromptSet read_json_set(const json& file, const std::string& what, const Tokenizer& tokenizer,
                        const std::string& task) {
  if (file.is_object() && file.contains("samples")) {
    return tokenize_prompts(tokenizer, relation_prompts(load_relation(what), {}), {task, 0, false});
  }
  const bool is_pairs = file.is_object() && file.contains("prompts");
  const json& list = is_pairs ? file["prompts"] : file;
  if (!list.is_array()) {
    fail(ErrorCode::kCorruptData,
         "{}: expected JSONL, a relation, {{\"prompts\": [...]}} or a list of prompts "
         "(docs/methods/tasks.md)",
         what);
  }
  std::vector<TextPrompt> prompts;
  for (const json& entry : list) {
    const std::string where = fmt::format("{} entry {}", what, prompts.size());
    if (!entry.is_object()) fail(ErrorCode::kCorruptData, "{}: expected an object", where);
    prompts.push_back(is_pairs ? clean_corrupt_prompt(entry, where) : listed_prompt(entry, where));
  }
  return tokenize_prompts(tokenizer, prompts, {task, 0, false});
}

ordered_json to_json(const RoleTokens& row) {
  ordered_json entry;
  if (!row.text.empty()) entry["text"] = row.text;
  entry["tokens"] = row.tokens;
  entry["roles"] = row.roles;
  return entry;
}

}  // namespace

PromptSet read_prompt_set(const std::filesystem::path& path, const Tokenizer& tokenizer) {
  const std::string text(io::MappedFile::open(path)->bytes());
  const std::string task = path.stem().string();
  const bool is_lines = path.extension() == ".jsonl";
  try {
    return is_lines
               ? read_lines(text, path.string(), tokenizer, task)
               : read_json_set(io::parse_json(text, path.string()), path.string(), tokenizer, task);
  } catch (const json::exception& error) {
    fail(ErrorCode::kCorruptData, "{}: not the layout of a prompt set: {}", path.string(),
         error.what());
  }
}

void write_prompt_set(const PromptSet& set, const std::filesystem::path& path) {
  std::string text;
  for (const Prompt& prompt : set.prompts) {
    ordered_json entry = to_json(prompt.clean);
    if (!prompt.answer.empty()) entry["answer"] = prompt.answer;
    if (!prompt.wrong.empty()) entry["wrong"] = prompt.wrong;
    if (!prompt.corrupt.tokens.empty()) entry["corrupt"] = to_json(prompt.corrupt);
    if (!prompt.labels.empty()) entry["labels"] = prompt.labels;
    if (!prompt.groups.empty()) entry["groups"] = prompt.groups;
    text += io::dump_json(entry) + "\n";
  }
  io::write_file(path, text);
}

}  // namespace weir
