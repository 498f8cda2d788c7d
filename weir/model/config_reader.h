#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/model/config.h"

namespace weir {

/// Typed look-ups in a Hugging Face config.json. An absent key and null are the same. A key of a
/// wrong type or out of range is kCorruptData; a value that Weir does not implement kUnsupported.
/// Refers to `json`, which must outlive it.
class ConfigReader {
 public:
  explicit ConfigReader(const nlohmann::json& json);

  const nlohmann::json& json() const { return json_; }
  bool has(std::string_view key) const;
  int64_t size(std::string_view key) const;    ///< Required, at least 1.
  int64_t layers(std::string_view key) const;  ///< Required, 1 to 4096.
  int64_t size_or(std::string_view key, int64_t fallback) const;
  double number_or(std::string_view key, double fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  std::string text_or(std::string_view key, std::string_view fallback) const;

  /// kUnsupported, with the key and its value.
  [[noreturn]] void refuse(std::string_view key, std::string_view why) const;

 private:
  const nlohmann::json& json_;
};

/// What every family's config has: family, vocabulary, special tokens, tying.
ModelConfig base_config(const ConfigReader& read, bool tied_by_default);

/// Heads and widths under the names most families use (hidden_size, num_attention_heads, ...).
void read_sizes(const ConfigReader& read, ModelConfig& config);

/// A window for each layer whose entry in `layer_types` is "sliding_attention"; without that list,
/// for each layer where `slides` is true. `window` 0: none slides.
std::vector<int64_t> layer_windows(const ConfigReader& read, int64_t window,
                                   const std::vector<bool>& slides);

}  // namespace weir
