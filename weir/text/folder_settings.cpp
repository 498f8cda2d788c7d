#include "weir/text/folder_settings.h"

#include <charconv>
#include <map>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/mapped_file.h"
#include "weir/io/printable.h"

namespace weir::text {
namespace {

using nlohmann::json;
constexpr int64_t kMaxId = (int64_t{1} << 24) - 1;

// The object in a file of the folder, or null when the file is not there.
json read_object(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return nullptr;
  json value = io::read_json(path);
  if (!value.is_object()) {
    fail(ErrorCode::kCorruptData, "{}: expected a JSON object, found {}", path.string(),
         value.type_name());
  }
  return value;
}

// A token is given as a string or as an object with its content.
void read_token(const json& object, std::string_view key, std::string_view what,
                std::optional<std::string>* token) {
  const auto member = object.find(key);
  if (token->has_value() || member == object.end() || member->is_null()) return;
  if (member->is_object()) {
    *token = io::get_string(*member, "content", what);
  } else {
    *token = io::get_string(object, key, what);
  }
}

void read_tokens(const json& object, const std::string& what, FolderSettings* settings) {
  read_token(object, "bos_token", what, &settings->bos);
  read_token(object, "eos_token", what, &settings->eos);
  read_token(object, "pad_token", what, &settings->pad);
  read_token(object, "unk_token", what, &settings->unk);
}

int64_t id_from_key(const std::string& text, const std::string& what) {
  int64_t id = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc() || end != text.data() + text.size() || id < 0 || id > kMaxId) {
    fail(ErrorCode::kCorruptData, "{}: added_tokens_decoder: expected token ids, found '{}'", what,
         io::printable(text));
  }
  return id;
}

json added_token(int64_t id, const std::string& content, const json& options,
                 const std::string& what) {
  json token = {{"id", id}, {"content", content}};
  for (const char* name : {"single_word", "lstrip", "rstrip", "normalized", "special"}) {
    token[name] = io::find_bool(options, name, what).value_or(false);
  }
  return token;
}

// {"50256": {"content": "<|endoftext|>", "special": true, ...}, ...}
void read_added_tokens_decoder(const json& config, const std::string& what,
                               std::map<int64_t, json>* tokens) {
  const auto decoder = config.find("added_tokens_decoder");
  if (decoder == config.end() || decoder->is_null()) return;
  if (!decoder->is_object()) {
    fail(ErrorCode::kCorruptData, "{}: added_tokens_decoder: expected an object, found {}", what,
         decoder->type_name());
  }
  for (const auto& [key, options] : decoder->items()) {
    const int64_t id = id_from_key(key, what);
    tokens->emplace(id, added_token(id, io::get_string(options, "content", what), options, what));
  }
}

// {"<|endoftext|>": 50256, ...}, as written until 2023.
void read_added_tokens_file(const std::filesystem::path& path, std::map<int64_t, json>* tokens) {
  const json object = read_object(path);
  if (object.is_null()) return;
  for (const auto& [content, unused] : object.items()) {
    const int64_t id = io::get_int(object, content, 0, kMaxId, path.string());
    tokens->emplace(id, added_token(id, content, json::object(), path.string()));
  }
}

// One template, or a list of named ones of which "default" is meant for plain conversations.
std::optional<std::string> find_template(const json& config, const std::string& what) {
  const auto member = config.find("chat_template");
  if (member == config.end() || member->is_null()) return std::nullopt;
  if (!member->is_array()) return io::get_string(config, "chat_template", what);
  std::optional<std::string> first;
  for (const json& entry : *member) {
    std::string text = io::get_string(entry, "template", what);
    if (io::find_string(entry, "name", what) == "default") return text;
    if (!first) first = std::move(text);
  }
  return first;
}

void read_tokenizer_config(const std::filesystem::path& path, FolderSettings* settings,
                           std::map<int64_t, json>* tokens) {
  const json config = read_object(path);
  if (config.is_null()) return;
  const std::string what = path.string();
  read_tokens(config, what, settings);
  settings->adds_bos = io::find_bool(config, "add_bos_token", what);
  settings->adds_eos = io::find_bool(config, "add_eos_token", what);
  settings->adds_prefix_space = io::find_bool(config, "add_prefix_space", what).value_or(false);
  settings->tokenizer_class = io::find_string(config, "tokenizer_class", what).value_or("");
  std::string& name = settings->tokenizer_class;
  if (name.size() > 4 && name.substr(name.size() - 4) == "Fast") name.resize(name.size() - 4);
  read_added_tokens_decoder(config, what, tokens);
  settings->chat_template = find_template(config, what);
}

// One id, or a list of them.
std::vector<int64_t> end_ids(const json& config, const std::string& what) {
  std::vector<int64_t> ids;
  const auto eos = config.find("eos_token_id");
  if (eos == config.end() || eos->is_null()) return ids;
  const json list = eos->is_array() ? *eos : json::array({*eos});
  for (const json& id : list) {
    ids.push_back(io::get_int(json{{"eos_token_id", id}}, "eos_token_id", 0, kMaxId, what));
  }
  return ids;
}

void read_generation_config(const std::filesystem::path& path, FolderSettings* settings) {
  const json config = read_object(path);
  if (config.is_null()) return;
  const std::string what = path.string();
  settings->generation_bos = io::find_int(config, "bos_token_id", 0, kMaxId, what);
  settings->generation_pad = io::find_int(config, "pad_token_id", -1, kMaxId, what);
  if (settings->generation_pad == -1) settings->generation_pad.reset();
  settings->generation_eos = end_ids(config, what);
  settings->generation_config = io::dump_json(config);
}

}  // namespace

FolderSettings read_folder_settings(const std::filesystem::path& folder) {
  FolderSettings settings;
  std::map<int64_t, json> tokens;
  read_tokenizer_config(folder / "tokenizer_config.json", &settings, &tokens);
  const std::filesystem::path map_path = folder / "special_tokens_map.json";
  if (const json map = read_object(map_path); !map.is_null()) {
    read_tokens(map, map_path.string(), &settings);
  }
  read_added_tokens_file(folder / "added_tokens.json", &tokens);
  read_generation_config(folder / "generation_config.json", &settings);
  const std::filesystem::path template_path = folder / "chat_template.jinja";
  if (std::filesystem::exists(template_path)) {
    settings.chat_template = std::string(io::MappedFile::open(template_path)->bytes());
  }
  json list = json::array();
  for (auto& [id, token] : tokens) list.push_back(std::move(token));
  settings.added_tokens = io::dump_json(list);
  return settings;
}

}  // namespace weir::text
