#include <cstddef>
#include <cstdint>
#include <string_view>

#include "weir/base/error.h"
#include "weir/text/sentencepiece.h"
#include "weir/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const auto source = text::source_of(text::parse_sentencepiece(bytes, "fuzz"), "fuzz");
    const Tokenizer tokenizer = Tokenizer::from_json(source.json);
    tokenizer.decode(tokenizer.encode("Hello, wörld  日本\n").ids);
  } catch (const Error& error) {
    const bool is_refusal =
        error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kUnsupported;
    if (!is_refusal) throw;  // Bad bytes must never surface as anything else.
  }
  return 0;
}
