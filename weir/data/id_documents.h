#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "weir/io/mapped_file.h"
#include "weir/io/tensor_view.h"

namespace weir::data {

/// How a file of token ids is cut into documents. Without any of these a file is one document, and
/// a matrix of ids has one in each row.
struct IdOptions {
  std::optional<int64_t> ends_at;    ///< A document ends with this id (nanoGPT's way).
  std::optional<int64_t> begins_at;  ///< A document begins with it (llm.c's way).
};

/// Token ids that somebody else made:
///
///     .npy  whole numbers of any type, one row or a matrix
///     .bin  llm.c: 256 int32 (20240520, 1, n, ...) and n u16, or (20240801, 7, n, ...) and n u32
///     .bin  nanoGPT: u16 and nothing else
///
/// Mapped, not read.
class IdDocuments {
 public:
  /// kCorruptData when the sizes do not fit, kUnsupported for another version or number type.
  IdDocuments(const std::filesystem::path& file, const IdOptions& options);

  int64_t size() const noexcept { return n_; }
  struct Piece {
    std::vector<uint32_t> ids;
    bool ends_document = false;
  };
  /// Up to 65536 ids of one document; false when there are none left. kCorruptData, with the place,
  /// for an id outside 0 .. vocab_size - 1.
  bool next(int64_t vocab_size, Piece* piece);

 private:
  void read_bin();
  int64_t id_at(int64_t place) const;
  bool is_last_of_document(int64_t place) const;

  std::shared_ptr<const io::MappedFile> file_;
  IdOptions options_;
  io::DType dtype_ = io::DType::kU16;
  io::TensorView npy_;  ///< Keeps its bytes.
  const std::byte* data_ = nullptr;
  int64_t n_ = 0;
  int64_t row_length_ = 0;  ///< Of a matrix; else 0.
  int64_t next_ = 0;
};

}  // namespace weir::data
