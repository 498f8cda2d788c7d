#pragma once

#include <string>
#include <variant>

#include <nlohmann/json_fwd.hpp>

#include "weir/tasks/prompt_text.h"

/// One entry of a file of prompts (prompt_files.h names the forms).
namespace weir {

struct PromptEntry {
  /// As a text to be cut, or as ids.
  std::variant<TextPrompt, Prompt> prompt;
  bool has_more_answers = false;  ///< The first of several that it lists was taken.
};

/// The form is known by its keys. kCorruptData names `what` (file and line), what was expected and
/// which keys there are.
PromptEntry read_prompt_entry(const nlohmann::json& entry, const std::string& what);

/// Weir's own forms, with "text" and with "tokens".
TextPrompt own_text_prompt(const nlohmann::json& entry, const std::string& what);
Prompt own_token_prompt(const nlohmann::json& entry, const std::string& what);

/// A prompt of indirect object identification, known by its names: the answer stands in it once,
/// one other name twice, and that is the wrong answer.
void find_indirect_object(TextPrompt& prompt);

}  // namespace weir
