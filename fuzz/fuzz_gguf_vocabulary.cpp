#include "parse_or_refuse.h"
#include "weir/io/gguf.h"
#include "weir/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const weir::Tokenizer tokenizer = weir::Tokenizer::from_gguf(weir::io::parse_gguf(file));
    tokenizer.decode(tokenizer.encode("Hello, wörld  日本\n").ids);
  });
}
