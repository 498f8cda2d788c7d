#include "parse_or_refuse.h"
#include "use_tokenizer.h"
#include "weir/text/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    using namespace weir;
    const auto source =
        text::source_of(text::parse_sentencepiece(file->bytes(), file->path()), file->path());
    fuzz::use(Tokenizer::from_json(source.json));
  });
}
