#include <nlohmann/json.hpp>

#include "parse_or_refuse.h"
#include "weir/io/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    weir::io::dump_json(weir::io::parse_json(file->bytes(), file->path()));
  });
}
