#include "parse_or_refuse.h"
#include "weir/io/npy.h"
#include "weir/io/zip_archive.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const weir::io::ZipArchive archive(file);
    for (const auto& entry : archive.entries()) archive.head(entry, 100);
    weir::fuzz::touch(weir::io::parse_npz(file));
  });
}
