#include "weir/model/rope_config.h"

#include <algorithm>
#include <cmath>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"

namespace weir {
namespace {

using nlohmann::json;

constexpr std::string_view kWhat = "config.json: rope parameters";

constexpr const char* kTypes[] = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};
constexpr const char* kKeys[] = {"rope_theta",
                                 "rope_type",
                                 "type",
                                 "partial_rotary_factor",
                                 "factor",
                                 "low_freq_factor",
                                 "high_freq_factor",
                                 "original_max_position_embeddings",
                                 "beta_fast",
                                 "beta_slow",
                                 "mscale",
                                 "mscale_all_dim",
                                 "attention_factor",
                                 "truncate",
                                 "short_factor",
                                 "long_factor"};

std::string listed(const char* const* first, const char* const* last) {
  std::string text;
  for (; first != last; ++first) text += (text.empty() ? "" : ", ") + std::string(*first);
  return text;
}

// The object that holds the rope parameters, or an empty one.
json parameters_of(const ConfigReader& read, std::string_view layer_type) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    if (!read.has(key)) continue;
    const json& object = read.json().at(key);
    if (!object.is_object()) {
      fail(ErrorCode::kCorruptData, "config.json: expected \"{}\" to be an object", key);
    }
    const auto nested = object.find(std::string(layer_type));
    return !layer_type.empty() && nested != object.end() ? *nested : object;
  }
  return json::object();
}

std::string type_of(const json& rope) {
  std::string type = io::find_string(rope, "rope_type", kWhat)
                         .value_or(io::find_string(rope, "type", kWhat).value_or("default"));
  if (type == "su") type = "longrope";  // The name of the first Phi-3 configs.
  if (std::find(std::begin(kTypes), std::end(kTypes), type) == std::end(kTypes)) {
    fail(ErrorCode::kUnsupported, "config.json: rope type '{}' is not one of {}",
         io::printable(type), listed(std::begin(kTypes), std::end(kTypes)));
  }
  for (const auto& [key, value] : rope.items()) {
    if (std::find(std::begin(kKeys), std::end(kKeys), key) == std::end(kKeys)) {
      fail(ErrorCode::kUnsupported, "config.json: rope parameter '{}' is not one of {}",
           io::printable(key), listed(std::begin(kKeys), std::end(kKeys)));
    }
  }
  return type;
}

double positive(const json& rope, const char* key, double fallback) {
  const double value = io::find_double(rope, key, kWhat).value_or(fallback);
  if (!std::isfinite(value) || value <= 0) {
    fail(ErrorCode::kCorruptData, "{}: expected \"{}\" to be positive, got {}", kWhat, key, value);
  }
  return value;
}

double required(const json& rope, const char* key) {
  io::get_double(rope, key, kWhat);
  return positive(rope, key, 0);
}

std::vector<double> factor_list(const json& rope, const char* key, int64_t size) {
  const auto found = rope.find(key);
  if (found == rope.end() || !found->is_array() || static_cast<int64_t>(found->size()) != size) {
    fail(ErrorCode::kCorruptData, "{}: expected \"{}\" to be a list of {} numbers", kWhat, key,
         size);
  }
  std::vector<double> factors;
  for (const json& factor : *found) {
    if (!factor.is_number() || factor.get<double>() <= 0) {
      fail(ErrorCode::kCorruptData, "{}: expected positive numbers in \"{}\"", kWhat, key);
    }
    factors.push_back(factor.get<double>());
  }
  return factors;
}

int64_t rotary_dims(const ConfigReader& read, const json& rope, const ModelConfig& config,
                    const RopeDefaults& defaults) {
  const double top =
      read.number_or("partial_rotary_factor", read.number_or("rotary_pct", defaults.partial));
  const double partial = io::find_double(rope, "partial_rotary_factor", kWhat).value_or(top);
  if (!defaults.can_be_partial && partial != 1) {
    fail(ErrorCode::kUnsupported,
         "config.json: a partial rotary factor of {} is not supported for {}", partial,
         io::printable(config.family));
  }
  const auto n_dims = static_cast<int64_t>(static_cast<double>(config.d_head) * partial);
  if (!(partial > 0 && partial <= 1) || n_dims < 2 || n_dims % 2 != 0) {
    fail(ErrorCode::kUnsupported,
         "config.json: rotary embedding of {} of {} dimensions; expected an even number from 2",
         n_dims, config.d_head);
  }
  return n_dims;
}

void read_yarn(const json& rope, const ModelConfig& config, RotaryConfig& rotary) {
  rotary.factor =
      positive(rope, "factor",
               static_cast<double>(config.n_ctx) / static_cast<double>(rotary.original_context));
  rotary.beta_fast = positive(rope, "beta_fast", 32);
  rotary.beta_slow = positive(rope, "beta_slow", 1);
  rotary.truncate = io::find_bool(rope, "truncate", kWhat).value_or(true);
  rotary.mscale = io::find_double(rope, "mscale", kWhat);
  rotary.mscale_all_dim = io::find_double(rope, "mscale_all_dim", kWhat);
  rotary.attention_factor = io::find_double(rope, "attention_factor", kWhat);
}

void read_longrope(const json& rope, const ModelConfig& config, RotaryConfig& rotary) {
  rotary.factor =
      positive(rope, "factor",
               static_cast<double>(config.n_ctx) / static_cast<double>(rotary.original_context));
  rotary.short_factor = factor_list(rope, "short_factor", rotary.n_dims / 2);
  rotary.long_factor = factor_list(rope, "long_factor", rotary.n_dims / 2);
  rotary.attention_factor = io::find_double(rope, "attention_factor", kWhat);
}

}  // namespace

RotaryConfig read_rotary(const ConfigReader& read, const ModelConfig& config,
                         const RopeDefaults& defaults, std::string_view layer_type) {
  const json rope = parameters_of(read, layer_type);
  RotaryConfig rotary;
  rotary.scaling = type_of(rope);
  const double top =
      read.number_or("rope_theta", read.number_or("rotary_emb_base", defaults.theta));
  rotary.theta = positive(rope, "rope_theta", top);
  rotary.n_dims = rotary_dims(read, rope, config, defaults);
  // transformers 4 keeps Phi-3's original context beside the scaling, not in it.
  rotary.original_context =
      io::find_int(rope, "original_max_position_embeddings", 1, int64_t{1} << 31, kWhat)
          .value_or(read.size_or("original_max_position_embeddings", config.n_ctx));
  if (rotary.scaling == "linear") {
    rotary.factor = required(rope, "factor");
  } else if (rotary.scaling == "dynamic") {
    rotary.factor = required(rope, "factor");
    rotary.original_context = config.n_ctx;
    if (rotary.n_dims < 4)
      fail(ErrorCode::kUnsupported, "{}: dynamic scaling needs more than 2 rotary dimensions",
           kWhat);
  } else if (rotary.scaling == "llama3") {
    rotary.factor = required(rope, "factor");
    rotary.low_freq_factor = required(rope, "low_freq_factor");
    rotary.high_freq_factor = required(rope, "high_freq_factor");
  } else if (rotary.scaling == "yarn") {
    read_yarn(rope, config, rotary);
  } else if (rotary.scaling == "longrope") {
    read_longrope(rope, config, rotary);
  }
  return rotary;
}

}  // namespace weir
