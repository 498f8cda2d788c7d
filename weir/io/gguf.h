#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/gguf_value.h"
#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

namespace weir::io {

struct GgufEntry {
  std::string_view key;
  GgufValue value;
};

/// A GGUF file (versions 2 and 3): metadata and tensors, everything pointing into the mapping.
/// Views handed out stay valid as long as this object or any of its tensors lives.
///
/// Lookups come in pairs. `find_x` is empty when the key is absent; `get_x` then throws
/// kCorruptData naming the file and the key. Both throw kCorruptData when the value has another
/// type. Integers of any width answer to u64 and double as long as they fit; floats of both widths
/// answer to double.
class GgufFile {
 public:
  uint32_t version() const noexcept { return version_; }
  const TensorMap& tensors() const noexcept { return tensors_; }
  /// Every key in file order.
  const std::vector<GgufEntry>& metadata() const noexcept { return metadata_; }
  /// The value of a key whatever its type, or nullptr.
  const GgufValue* find(std::string_view key) const;

  std::optional<std::string> find_string(std::string_view key) const;
  std::optional<uint64_t> find_u64(std::string_view key) const;
  std::optional<double> find_double(std::string_view key) const;
  std::optional<bool> find_bool(std::string_view key) const;
  std::optional<std::vector<std::string_view>> find_string_array(std::string_view key) const;
  std::optional<std::vector<float>> find_float_array(std::string_view key) const;
  /// Arrays of integers of any width, or of bools as 0 and 1.
  std::optional<std::vector<int64_t>> find_int_array(std::string_view key) const;

  std::string get_string(std::string_view key) const;
  uint64_t get_u64(std::string_view key) const;
  double get_double(std::string_view key) const;
  bool get_bool(std::string_view key) const;
  std::vector<std::string_view> get_string_array(std::string_view key) const;
  std::vector<int64_t> get_int_array(std::string_view key) const;

 private:
  friend GgufFile parse_gguf(std::shared_ptr<const MappedFile> file);
  friend GgufFile read_gguf_parts(const std::filesystem::path& path);

  std::shared_ptr<const MappedFile> file_;
  uint32_t version_ = 0;
  std::vector<GgufEntry> metadata_;
  TensorMap tensors_;
};

/// Maps and reads a file. kCorruptData for a file that breaks the format; kUnsupported for another
/// version, big-endian files and tensor types that Weir does not implement (IQ types and others).
GgufFile read_gguf(const std::filesystem::path& path);
GgufFile parse_gguf(std::shared_ptr<const MappedFile> file);

/// A file with the tensors of all its parts: llama.cpp splits a model into
/// "NAME-00001-of-00003.gguf" and so on, of which the first holds the metadata ("split.no",
/// "split.count"). A file that is not split is itself. kNotFound names a part that is missing,
/// kUnsupported the first part when another one is given, kCorruptData parts that do not fit.
GgufFile read_gguf_parts(const std::filesystem::path& path);
/// The files that `read_gguf_parts` reads, there or not.
std::vector<std::filesystem::path> gguf_part_paths(const GgufFile& first,
                                                   const std::filesystem::path& path);

}  // namespace weir::io
