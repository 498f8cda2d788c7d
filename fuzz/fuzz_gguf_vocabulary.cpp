#include "parse_or_refuse.h"
#include "use_tokenizer.h"
#include "weir/io/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    weir::fuzz::use(weir::Tokenizer::from_gguf(weir::io::parse_gguf(file)));
  });
}
