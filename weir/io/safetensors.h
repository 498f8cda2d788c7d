#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "weir/io/atomic_file.h"
#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

/// The safetensors format: 8 bytes little-endian header length, a JSON header {name: {dtype,
/// shape, data_offsets}, "__metadata__": {string: string}}, then the data without gaps. The rules
/// (100 MB of header, no holes, no overlaps, no trailing bytes) are those of the reference crate.
namespace weir::io {

/// The tensors, in the order of their data; views onto the mapped file, which is not read (a file
/// from an old writer whose data is not aligned is copied instead). kCorruptData for any break of
/// the format, kUnsupported for an element type that Weir does not know (F4, C64, ...).
TensorMap read_safetensors(const std::filesystem::path& path);
TensorMap parse_safetensors(const std::shared_ptr<const MappedFile>& file);

/// All tensors that a `model.safetensors.index.json` lists; see sharded.h.
TensorMap read_sharded_safetensors(const std::filesystem::path& index_path);

/// What is known of a tensor before its data.
struct TensorSpec {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
};

/// Writes a file tensor by tensor, so that a checkpoint never has to be in memory at once.
/// Nothing is seen under `path` before `finish`; without it nothing is left behind.
class SafetensorsWriter {
 public:
  /// Writes the header. kInvalidArgument for a name given twice, a reserved name, text that is
  /// not UTF-8, or a GGUF block type.
  SafetensorsWriter(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors,
                    const std::map<std::string, std::string>& metadata = {});

  /// The next bytes of the data, in the order of the list; pieces may be of any size.
  void append(const void* data, uint64_t n_bytes);
  /// All bytes of the tensor that comes next; kInvalidArgument when it is another one or their
  /// number is not what its shape needs.
  void write(std::string_view name, const void* data, uint64_t n_bytes);
  /// Syncs and renames; kInvalidArgument when data is missing.
  void finish();

 private:
  struct Extent {
    std::string name;
    uint64_t begin;
    uint64_t end;
  };

  AtomicFile file_;
  std::string path_;
  std::vector<Extent> extents_;
  uint64_t written_ = 0;
  size_t next_ = 0;  ///< First tensor that is not complete.
};

/// Writes all tensors at once, widest element type first so that each is aligned.
void write_safetensors(const std::filesystem::path& path, const std::vector<TensorView>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace weir::io
