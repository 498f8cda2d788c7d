#include "parse_or_refuse.h"
#include "use_tokenizer.h"
#include "weir/text/llama2c_vocabulary.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  // The model says how many pieces there are; here the first two bytes do.
  const int64_t vocab_size = 3 + data[0] + 256 * (data[1] % 4);
  return weir::fuzz::parse_or_refuse(data + 2, size - 2, [&](const auto& file) {
    using namespace weir;
    const auto source = text::parse_llama2c_vocabulary(file->bytes(), vocab_size, file->path());
    fuzz::use(Tokenizer::from_json(source.json));
  });
}
