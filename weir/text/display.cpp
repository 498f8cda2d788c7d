#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/io/printable.h"
#include "weir/text/tokenizer.h"
#include "weir/text/tokenizer_state.h"

namespace weir {
namespace {

// How many bytes of the character at the start of `text` are there; 0 when it is broken.
size_t whole_character(std::string_view text) {
  for (size_t size = 1; size <= 4 && size <= text.size(); ++size) {
    if (io::is_utf8(text.substr(0, size))) return size;
  }
  return 0;
}

}  // namespace

std::string Tokenizer::display(int64_t id) const {
  require(id >= 0, "token id {}: expected 0 or more", id);
  const text::VocabularyTable& vocabulary = state_->vocabulary;
  if (id >= vocab_size() || !vocabulary.is_token(id)) return fmt::format("<{}>", id);
  if (vocabulary.is_added(id)) return std::string(vocabulary.token(id));
  const std::string bytes = text::bytes_of_token(vocabulary, id);
  std::string shown;
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const size_t size = whole_character(rest);
    if (size > 0) {
      shown += rest.substr(0, size);
    } else {
      fmt::format_to(std::back_inserter(shown), "<0x{:02X}>",
                     static_cast<unsigned>(static_cast<unsigned char>(rest.front())));
    }
    rest.remove_prefix(size > 0 ? size : 1);
  }
  return shown;
}

}  // namespace weir
