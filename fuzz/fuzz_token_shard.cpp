#include "parse_or_refuse.h"
#include "weir/data/token_shard.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const auto shard = weir::data::TokenShard::parse(file);
    // What was accepted can be read to the last token.
    int64_t sum = 0;
    for (int64_t d = 0; d < shard->n_documents(); ++d) {
      const weir::data::TokenSpan document = shard->document(d);
      for (int64_t t = 0; t < document.size(); ++t) sum += document[t];
    }
    [[maybe_unused]] const volatile int64_t seen = sum;
    shard->verify();
  });
}
