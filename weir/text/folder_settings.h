#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace weir::text {

/// What a Hugging Face folder says about a tokenizer beside its vocabulary: tokenizer_config.json,
/// special_tokens_map.json, added_tokens.json, generation_config.json and chat_template.jinja,
/// each when present. Where two speak of the same thing, the first in this list wins; the template
/// file wins over tokenizer_config.json.
struct FolderSettings {
  std::optional<std::string> bos, eos, pad, unk;  ///< Tokens.
  std::optional<bool> adds_bos, adds_eos;         ///< Only when stated.
  bool adds_prefix_space = false;
  std::string tokenizer_class;  ///< Without "Fast" at the end; empty when not stated.
  std::string added_tokens;     ///< A list as in a tokenizer.json, "[]" when there are none.
  std::optional<int64_t> generation_bos, generation_pad;  ///< Of generation_config.json.
  std::vector<int64_t> generation_eos;
  std::string generation_config = "{}";  ///< The whole file.
  std::optional<std::string> chat_template;
};

/// kCorruptData for a file that is no such JSON.
FolderSettings read_folder_settings(const std::filesystem::path& folder);

}  // namespace weir::text
