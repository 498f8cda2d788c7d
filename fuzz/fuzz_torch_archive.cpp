#include "parse_or_refuse.h"
#include "weir/io/torch_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(
      data, size, [](const auto& file) { weir::fuzz::touch(weir::io::parse_torch_archive(file)); });
}
