#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/tasks/prompt_entry.h"

namespace weir {
namespace {

using nlohmann::json;

/// The object at `key`, an empty one where there is none.
json object_at(const json& entry, const char* key, const std::string& what) {
  if (!entry.contains(key)) return json::object();
  if (!entry[key].is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected an object for '{}', found {}", what, key,
         entry[key].type_name());
  }
  return entry[key];
}

std::map<std::string, std::string> words_at(const json& entry, const char* key,
                                            const std::string& what) {
  std::map<std::string, std::string> words;
  const json object = object_at(entry, key, what);
  for (const auto& [name, word] : object.items()) words[name] = io::get_string(object, name, what);
  return words;
}

PromptText text_of(const json& entry, const std::string& what) {
  PromptText prompt{io::get_string(entry, "text", what), {}};
  const json parts = object_at(entry, "parts", what);
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
  row.text = io::find_string(entry, "text", what).value_or("");
  if (!entry.contains("tokens")) fail(ErrorCode::kCorruptData, "{}: expected tokens", what);
  row.tokens = ids_of(entry["tokens"], what);
  if (row.tokens.empty()) fail(ErrorCode::kCorruptData, "{}: expected tokens, found none", what);
  const auto last = static_cast<int64_t>(row.tokens.size()) - 1;
  row.roles["end"] = last;
  const json roles = object_at(entry, "roles", what);
  for (const auto& [name, place] : roles.items()) {
    row.roles[name] = io::get_int(roles, name, 0, last, what);
  }
  return row;
}

}  // namespace

Prompt own_token_prompt(const json& entry, const std::string& what) {
  Prompt prompt;
  prompt.clean = tokens_of(entry, what);
  if (entry.contains("corrupt")) {
    prompt.corrupt = tokens_of(object_at(entry, "corrupt", what), what);
    if (prompt.corrupt.tokens.size() != prompt.clean.tokens.size()) {
      fail(ErrorCode::kCorruptData,
           "{}: expected a partner of the same length, found {} tokens and {} in \"corrupt\"", what,
           prompt.clean.tokens.size(), prompt.corrupt.tokens.size());
    }
  }
  if (entry.contains("answer")) prompt.answer = ids_of(entry["answer"], what);
  if (entry.contains("wrong")) prompt.wrong = ids_of(entry["wrong"], what);
  const json labels = object_at(entry, "labels", what);
  for (const auto& [name, id] : labels.items()) {
    const std::vector<int64_t> ids = ids_of(id, what);
    if (ids.empty()) fail(ErrorCode::kCorruptData, "{}: expected an id for label '{}'", what, name);
    prompt.labels[name] = ids.front();
  }
  prompt.groups = words_at(entry, "groups", what);
  return prompt;
}

TextPrompt own_text_prompt(const json& entry, const std::string& what) {
  TextPrompt prompt;
  prompt.clean = text_of(entry, what);
  prompt.answer = io::find_string(entry, "answer", what).value_or("");
  prompt.wrong = io::find_string(entry, "wrong", what).value_or("");
  if (entry.contains("corrupt")) {
    prompt.corruptions = {{text_of(object_at(entry, "corrupt", what), what), ""}};
  }
  prompt.labels = words_at(entry, "labels", what);
  prompt.groups = words_at(entry, "groups", what);
  return prompt;
}

}  // namespace weir
