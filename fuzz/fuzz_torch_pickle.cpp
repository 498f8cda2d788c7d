#include "parse_or_refuse.h"
#include "weir/io/torch_tensors.h"

// The pickle without the archive around it, whose checksum would keep the fuzzer out.

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    using namespace weir::io;
    static const uint64_t kStorage[512] = {};
    const auto* storage = reinterpret_cast<const std::byte*>(kStorage);
    // Keys "0", "1", ... stand for storages of 4, 8, ... bytes.
    const auto source = [&](std::string_view key) {
      return StorageBytes{storage, 4 * (1 + static_cast<uint8_t>(key.empty() ? 0 : key[0]) % 64U),
                          nullptr};
    };
    const TorchPickle pickle = parse_torch_pickle(file->bytes(), file->path());
    weir::fuzz::touch(name_torch_tensors(pickle, source, {1 << 20, 1 << 20}, file->path()));
  });
}
