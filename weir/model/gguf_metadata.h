#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "weir/io/gguf.h"

namespace weir {

/// The numbers of a GGUF file's own architecture: "block_count" is looked up as
/// "llama.block_count". kCorruptData for a key that is missing, of another type, or absurd.
/// Refers to the file, which must outlive it.
class GgufMetadata {
 public:
  explicit GgufMetadata(const io::GgufFile& file);

  bool has(std::string_view key) const;
  int64_t size(std::string_view key) const;
  int64_t size_or(std::string_view key, int64_t fallback) const;
  /// Stored as float32; returned as the decimal number that was meant (1e-5, not 9.9999997e-6).
  double number(std::string_view key) const;
  double number_or(std::string_view key, double fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  std::string text_or(std::string_view key, std::string_view fallback) const;
  std::string full(std::string_view key) const { return prefix_ + std::string(key); }

  /// attention.key_length, or the width shared among the heads.
  int64_t head_size() const;
  /// The part of each head that rotates, 0 to 1.
  double rotary_share() const;

 private:
  int64_t bounded(std::string_view key, uint64_t value) const;

  const io::GgufFile& file_;
  std::string prefix_;
};

/// The double whose decimal form is the shortest that gives this float32.
double shortest_decimal(double float_value);

}  // namespace weir
