#include <cstddef>
#include <cstdint>
#include <string_view>

#include "weir/base/error.h"
#include "weir/text/llama2c_vocabulary.h"
#include "weir/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weir;
  if (size < 2) return 0;
  // The model says how many pieces there are; here the first two bytes do.
  const int64_t vocab_size = 3 + data[0] + 256 * (data[1] % 4);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    const auto source = text::parse_llama2c_vocabulary(bytes, vocab_size, "fuzz");
    const Tokenizer tokenizer = Tokenizer::from_json(source.json);
    tokenizer.decode(tokenizer.encode("Hello, wörld  日本\n").ids);
  } catch (const Error& error) {
    const bool is_refusal =
        error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kUnsupported;
    if (!is_refusal) throw;  // Bad bytes must never surface as anything else.
  }
  return 0;
}
