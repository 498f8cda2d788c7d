#include "weir/text/chat_template.h"

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/printable.h"
#include "weir/text/hf_tokenizer.h"

namespace weir {

std::string apply_chat_template(const Tokenizer& tokenizer,
                                const std::vector<ChatMessage>& messages,
                                bool add_generation_prompt) {
  if (!tokenizer.chat_template()) {
    fail(ErrorCode::kNotFound,
         "this tokenizer has no chat template: its model was not made for conversations, or its "
         "chat_template.jinja is missing");
  }
  // Hugging Face passes tools and documents as none when there are none.
  nlohmann::ordered_json context = {{"messages", nlohmann::ordered_json::array()},
                                    {"tools", nullptr},
                                    {"documents", nullptr},
                                    {"add_generation_prompt", add_generation_prompt}};
  for (const ChatMessage& message : messages) {
    require(io::is_utf8(message.role) && io::is_utf8(message.content),
            "chat template: a message is not UTF-8");
    context["messages"].push_back({{"role", message.role}, {"content", message.content}});
  }
  const auto name = [&](const char* key, const std::optional<int64_t>& id) {
    if (id) context[key] = tokenizer.token(*id);
  };
  name("bos_token", tokenizer.special().bos);
  name("eos_token", tokenizer.special().eos);
  name("pad_token", tokenizer.special().pad);
  name("unk_token", tokenizer.special().unk);
  return text::render_template(*tokenizer.chat_template(), io::dump_json(context));
}

}  // namespace weir
