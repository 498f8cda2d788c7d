#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/gguf.h"
#include "weir/io/gguf_value.h"
#include "weir/io/little_endian.h"

namespace weir {

/// The bytes of a GGUF file that holds metadata only.
class GgufBuilder {
 public:
  void add(std::string_view key, std::string_view value) {
    add_key(key, io::GgufType::kString);
    add_text(value);
  }
  void add(std::string_view key, bool value) {
    add_key(key, io::GgufType::kBool);
    io::store<uint8_t>(&entries_, value ? 1 : 0);
  }
  void add(std::string_view key, uint32_t value) {
    add_key(key, io::GgufType::kU32);
    io::store(&entries_, value);
  }
  void add(std::string_view key, const std::vector<std::string>& values) {
    add_array(key, io::GgufType::kString, values.size());
    for (const std::string& value : values) add_text(value);
  }
  void add(std::string_view key, const std::vector<int32_t>& values) {
    add_array(key, io::GgufType::kI32, values.size());
    for (const int32_t value : values) io::store(&entries_, value);
  }
  void add(std::string_view key, const std::vector<float>& values) {
    add_array(key, io::GgufType::kF32, values.size());
    for (const float value : values) io::store(&entries_, value);
  }

  io::GgufFile file() const {
    std::string bytes = "GGUF";
    io::store<uint32_t>(&bytes, 3);
    io::store<uint64_t>(&bytes, 0);
    io::store<uint64_t>(&bytes, n_entries_);
    bytes += entries_;
    const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
    return io::parse_gguf(io::MappedFile::from_bytes({begin, begin + bytes.size()}, "built.gguf"));
  }

 private:
  void add_text(std::string_view text) {
    io::store<uint64_t>(&entries_, text.size());
    entries_.append(text);
  }
  void add_key(std::string_view key, io::GgufType type) {
    add_text(key);
    io::store(&entries_, static_cast<uint32_t>(type));
    ++n_entries_;
  }
  void add_array(std::string_view key, io::GgufType type, size_t size) {
    add_key(key, io::GgufType::kArray);
    io::store(&entries_, static_cast<uint32_t>(type));
    io::store<uint64_t>(&entries_, size);
  }

  std::string entries_;
  uint64_t n_entries_ = 0;
};

}  // namespace weir
