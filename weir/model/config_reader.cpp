#include "weir/model/config_reader.h"

#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"

namespace weir {
namespace {

constexpr std::string_view kWhat = "config.json";
constexpr int64_t kMaxSize = int64_t{1} << 27;  // Products of two sizes stay in 64 bits.
constexpr int64_t kMaxLayers = 4096;

// Some configs list several end tokens; the first is the model's own.
std::optional<int64_t> token_id(const nlohmann::json& json, const char* key) {
  if (!json.contains(key)) return std::nullopt;
  const nlohmann::json& value = json.at(key);
  const nlohmann::json& one = value.is_array() && !value.empty() ? value.front() : value;
  if (!one.is_number_integer() || one.get<int64_t>() < 0) return std::nullopt;
  return one.get<int64_t>();
}

// The others of such a list.
std::vector<int64_t> further_ids(const nlohmann::json& json, const char* key) {
  std::vector<int64_t> ids;
  if (!json.contains(key) || !json.at(key).is_array()) return ids;
  for (size_t i = 1; i < json.at(key).size(); ++i) {
    const nlohmann::json& one = json.at(key)[i];
    if (one.is_number_integer() && one.get<int64_t>() >= 0) ids.push_back(one.get<int64_t>());
  }
  return ids;
}

}  // namespace

ConfigReader::ConfigReader(const nlohmann::json& json) : json_(json) {
  if (!json.is_object()) fail(ErrorCode::kCorruptData, "{}: expected a JSON object", kWhat);
}

bool ConfigReader::has(std::string_view key) const {
  const auto found = json_.find(std::string(key));
  return found != json_.end() && !found->is_null();
}

int64_t ConfigReader::size(std::string_view key) const {
  return io::get_int(json_, key, 1, kMaxSize, kWhat);
}

int64_t ConfigReader::layers(std::string_view key) const {
  return io::get_int(json_, key, 1, kMaxLayers, kWhat);
}

int64_t ConfigReader::size_or(std::string_view key, int64_t fallback) const {
  return io::find_int(json_, key, 1, kMaxSize, kWhat).value_or(fallback);
}

double ConfigReader::number_or(std::string_view key, double fallback) const {
  const double value = io::find_double(json_, key, kWhat).value_or(fallback);
  if (!std::isfinite(value)) fail(ErrorCode::kCorruptData, "{}: \"{}\" is not finite", kWhat, key);
  return value;
}

bool ConfigReader::flag_or(std::string_view key, bool fallback) const {
  return io::find_bool(json_, key, kWhat).value_or(fallback);
}

std::string ConfigReader::text_or(std::string_view key, std::string_view fallback) const {
  return io::find_string(json_, key, kWhat).value_or(std::string(fallback));
}

void ConfigReader::refuse(std::string_view key, std::string_view why) const {
  fail(ErrorCode::kUnsupported, "{}: \"{}\": {} is not supported for {}; {}", kWhat, key,
       io::printable(has(key) ? io::dump_json(json_.at(std::string(key))) : "null"),
       io::printable(text_or("model_type", "this model")), why);
}

ModelConfig base_config(const ConfigReader& read, bool tied_by_default) {
  ModelConfig config;
  config.family = read.text_or("model_type", "");
  config.d_vocab = read.size("vocab_size");
  config.tied = read.flag_or("tie_word_embeddings", tied_by_default);
  config.bos = token_id(read.json(), "bos_token_id");
  config.eos = token_id(read.json(), "eos_token_id");
  config.more_eos = further_ids(read.json(), "eos_token_id");
  return config;
}

void read_sizes(const ConfigReader& read, ModelConfig& config) {
  config.n_layers = read.layers("num_hidden_layers");
  config.d_model = read.size("hidden_size");
  config.n_heads = read.size("num_attention_heads");
  config.n_kv_heads = read.size_or("num_key_value_heads", config.n_heads);
  config.d_head = read.size_or("head_dim", 0);
  config.d_mlp = read.size("intermediate_size");
  config.n_ctx = read.size_or("max_position_embeddings", 2048);
}

std::vector<int64_t> layer_windows(const ConfigReader& read, int64_t window,
                                   const std::vector<bool>& slides) {
  std::vector<int64_t> windows;
  for (const bool here : slides) windows.push_back(here ? window : 0);
  if (!read.has("layer_types")) return windows;
  const nlohmann::json& types = read.json().at("layer_types");
  if (!types.is_array() || types.size() != slides.size()) {
    fail(ErrorCode::kCorruptData, "{}: expected \"layer_types\" to list {} layers", kWhat,
         slides.size());
  }
  for (size_t layer = 0; layer < slides.size(); ++layer) {
    if (types[layer] != "sliding_attention" && types[layer] != "full_attention") {
      read.refuse("layer_types", "known: full_attention, sliding_attention");
    }
    windows[layer] = types[layer] == "sliding_attention" ? window : 0;
  }
  return windows;
}

}  // namespace weir
