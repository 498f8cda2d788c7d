#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/text/tokenizer.h"

namespace weir {

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", ...
  std::string content;
};

/// The prompt that a model's own Jinja template makes of a conversation, with the variables that
/// Hugging Face passes (messages, add_generation_prompt, bos_token, eos_token, raise_exception,
/// strftime_now). kNotFound when the tokenizer has no template; kInvalidArgument with the
/// template's own message when it refuses.
std::string apply_chat_template(const Tokenizer& tokenizer,
                                const std::vector<ChatMessage>& messages,
                                bool add_generation_prompt = true);

}  // namespace weir
