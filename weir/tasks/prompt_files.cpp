#include "weir/tasks/prompt_files.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "weir/base/draw.h"
#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/tasks/csv_records.h"
#include "weir/tasks/prompt_entry.h"

namespace weir {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

struct Entries {
  std::vector<TextPrompt> texts;
  std::vector<Prompt> tokens;
  int64_t n_more_answers = 0;

  void add(PromptEntry entry) {
    n_more_answers += entry.has_more_answers ? 1 : 0;
    if (auto* text = std::get_if<TextPrompt>(&entry.prompt)) texts.push_back(std::move(*text));
    if (auto* ids = std::get_if<Prompt>(&entry.prompt)) tokens.push_back(std::move(*ids));
  }
};

std::string without_spaces(std::string text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return "";
  text.erase(0, begin);
  return text.erase(text.find_last_not_of(' ') + 1);
}

/// Ids of another model's vocabulary would be scored without a word: they must spell the text.
void check_spelling(const RoleTokens& row, const Tokenizer& tokenizer, const std::string& what) {
  if (row.text.empty() || row.tokens.empty()) return;
  const std::string wanted = without_spaces(row.text);
  const bool is_spelled = without_spaces(tokenizer.decode(row.tokens)) == wanted ||
                          without_spaces(tokenizer.decode(row.tokens, true)) == wanted ||
                          tokenizer.encode(row.text).ids == row.tokens;
  if (!is_spelled) {
    fail(ErrorCode::kCorruptData,
         "{}: expected tokens that spell its text, found '{}': they belong to another model's "
         "tokenizer; make the set for this model",
         what, tokenizer.decode(row.tokens));
  }
}

Entries read_lines(const std::string& text, const std::string& what, const Tokenizer* tokenizer) {
  Entries entries;
  std::istringstream lines(text);
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{} line {}", what, ++number);
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    entries.add(read_prompt_entry(io::parse_json(line, where), where));
    if (entries.tokens.empty() || tokenizer == nullptr) continue;
    check_spelling(entries.tokens.back().clean, *tokenizer, where);
    check_spelling(entries.tokens.back().corrupt, *tokenizer, where);
  }
  return entries;
}

Entries read_list(const std::vector<json>& list, const std::string& what) {
  Entries entries;
  int64_t number = 0;
  for (const json& entry : list) {
    entries.add(read_prompt_entry(entry, fmt::format("{} entry {}", what, number++)));
  }
  return entries;
}

std::vector<json> list_in(const json& file, const std::string& what) {
  for (const char* key : {"prompts", "items"}) {
    if (file.is_object() && file.contains(key) && file[key].is_array()) return file[key];
  }
  if (file.is_array()) return file;
  fail(ErrorCode::kCorruptData,
       "{}: expected JSONL, CSV, a relation, {{\"prompts\": [...]}} or a list of prompts "
       "(docs/methods/tasks.md)",
       what);
}

template <typename T>
void keep_some(std::vector<T>& all, const TaskOptions& options) {
  if (options.n == 0 || options.n >= static_cast<int64_t>(all.size())) return;
  Draw draw(options.seed);
  all = draw.pick(all, static_cast<size_t>(options.n));
}

void check_tokenizer(const Tokenizer* tokenizer, const std::string& what) {
  require(tokenizer != nullptr,
          "{}: expected \"tokens\" in every prompt, for the model came without a tokenizer; found "
          "text",
          what);
}

PromptSet as_set(Entries entries, const std::string& what, const std::string& task,
                 const TaskOptions& options, const Tokenizer* tokenizer) {
  if (entries.texts.empty() && entries.tokens.empty()) {
    fail(ErrorCode::kCorruptData, "{}: expected prompts, found none", what);
  }
  if (!entries.texts.empty() && !entries.tokens.empty()) {
    fail(ErrorCode::kCorruptData, "{}: expected ids in every prompt or in none", what);
  }
  require(options.variant.empty(), "{}: expected no variant for a file of prompts, got '{}'", what,
          options.variant);
  const bool is_random = options.corruption == kRandomTokens;
  require(options.corruption.empty() || is_random,
          "{}: expected no corruption or {} for a file of prompts, got '{}'", what, kRandomTokens,
          options.corruption);
  PromptSet set;
  set.task = task;
  set.seed = options.seed;
  if (entries.texts.empty()) {
    require(options.shots == 0 && options.prefix.empty() && !is_random,
            "{}: expected prompts as text for shots, a prefix or {}, found ids", what,
            kRandomTokens);
    auto& prompts = entries.tokens;
    const size_t n_all = prompts.size();
    const auto is_alone = [](const Prompt& prompt) { return prompt.corrupt.tokens.empty(); };
    if (options.needs_pairs)
      prompts.erase(std::remove_if(prompts.begin(), prompts.end(), is_alone), prompts.end());
    require(!prompts.empty(), "{}: expected prompts with a partner, found none of {} that has one",
            what, n_all);
    const size_t n_left_out = n_all - prompts.size();
    keep_some(prompts, options);
    set.prompts = std::move(prompts);
    if (tokenizer != nullptr) set.notes = notes_of(set, *tokenizer);
    if (n_left_out > 0) {
      set.notes.push_back(
          fmt::format("{} of {} prompts have no partner and were left out", n_left_out, n_all));
    }
  } else {
    check_tokenizer(tokenizer, what);
    Draw draw(options.seed);
    const std::vector<TextPrompt> pool = entries.texts;
    keep_some(entries.texts, options);
    add_shots(entries.texts, pool, options.shots, "\n", draw);
    set = tokenize_prompts(*tokenizer, entries.texts,
                           {task, options.seed, options.needs_pairs, options.prefix, is_random});
  }
  if (entries.n_more_answers > 0) {
    set.notes.push_back(fmt::format("{} entries list several answers: the first one is scored",
                                    entries.n_more_answers));
  }
  return set;
}

ordered_json to_json(const RoleTokens& row) {
  ordered_json entry;
  if (!row.text.empty()) entry["text"] = row.text;
  entry["tokens"] = row.tokens;
  entry["roles"] = row.roles;
  return entry;
}

}  // namespace

PromptSet read_prompt_set(const std::filesystem::path& path, const Tokenizer* tokenizer,
                          const TaskOptions& options) {
  const std::string text(io::MappedFile::open(path)->bytes());
  const std::string what = path.string(), task = path.stem().string();
  const std::string kind = path.extension().string();
  if (text.find('\0') != std::string::npos) {
    fail(ErrorCode::kCorruptData,
         "{}: expected prompts as JSON, JSONL or CSV (docs/methods/tasks.md), found a binary file",
         what);
  }
  if (kind == ".jsonl") {
    return as_set(read_lines(text, what, tokenizer), what, task, options, tokenizer);
  }
  if (kind == ".csv") {
    return as_set(read_list(csv_records(text, what), what), what, task, options, tokenizer);
  }
  const json file = io::parse_json(text, what);
  if (file.is_object() && file.contains("samples")) {
    check_tokenizer(tokenizer, what);
    return relation_set(load_relation(what), options, *tokenizer);
  }
  return as_set(read_list(list_in(file, what), what), what, task, options, tokenizer);
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

void write_sentences(const PromptSet& set, const Tokenizer& tokenizer, int64_t times,
                     const std::filesystem::path& file) {
  std::vector<std::string> lines;
  for (const Prompt& prompt : set.prompts) {
    require(!prompt.answer.empty(), "{}: expected prompts with answers", set.task);
    std::string line =
        tokenizer.decode(prompt.clean.tokens, true) + tokenizer.decode(prompt.answer);
    std::replace(line.begin(), line.end(), '\n', ' ');
    lines.push_back(line + ".\n");
  }
  Draw draw(set.seed);
  std::string text;
  for (int64_t i = 0; i < times; ++i) {
    draw.shuffle(lines);
    for (const std::string& line : lines) text += line;
  }
  io::write_file(file, text);
}

}  // namespace weir
