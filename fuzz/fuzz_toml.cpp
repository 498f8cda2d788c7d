#include <cstdlib>

#include <nlohmann/json.hpp>

#include "parse_or_refuse.h"
#include "weir/io/toml.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const std::string text = weir::io::dump_toml(weir::io::parse_toml(file->bytes(), file->path()));
    // What it writes, it reads as the same.
    if (weir::io::dump_toml(weir::io::parse_toml(text, "again")) != text) std::abort();
  });
}
