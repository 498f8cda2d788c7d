#include "weir/io/byte_stream.h"

#include <string>

#include <zstd.h>

#include "weir/base/error.h"
#include "weir/io/mapped_file.h"

namespace weir::io {
namespace {

struct FreeDecoder {
  void operator()(ZSTD_DStream* decoder) const { ZSTD_freeDStream(decoder); }
};

}  // namespace

struct ByteStream::State {
  std::shared_ptr<const MappedFile> file;
  uint64_t position = 0;
  std::unique_ptr<ZSTD_DStream, FreeDecoder> decoder;  ///< Null for a plain file.
  bool is_inside_frame = false;

  size_t copy(char* buffer, size_t size);
  size_t decompress(char* buffer, size_t size);
};

ByteStream::ByteStream(const std::filesystem::path& path) : state_(std::make_unique<State>()) {
  state_->file = MappedFile::open(path);
  if (path.extension() != ".zst") return;
  state_->decoder.reset(ZSTD_createDStream());
  if (!state_->decoder) fail(ErrorCode::kInternal, "zstd cannot start to decompress");
}

ByteStream::~ByteStream() = default;

uint64_t ByteStream::file_position() const { return state_->position; }

size_t ByteStream::read(char* buffer, size_t size) {
  return state_->decoder ? state_->decompress(buffer, size) : state_->copy(buffer, size);
}

size_t ByteStream::State::copy(char* buffer, size_t size) {
  const size_t count = file->bytes().substr(position).copy(buffer, size);
  position += count;
  return count;
}

size_t ByteStream::State::decompress(char* buffer, size_t size) {
  ZSTD_outBuffer out{buffer, size, 0};
  ZSTD_inBuffer in{file->data(), file->size(), position};
  while (out.pos == 0) {
    const bool is_at_end = in.pos == in.size;
    if (is_at_end && !is_inside_frame) break;
    const size_t wanted = ZSTD_decompressStream(decoder.get(), &out, &in);
    if (ZSTD_isError(wanted) != 0) {
      fail(ErrorCode::kCorruptData, "{}: expected Zstandard data, found at byte {}: {}",
           file->path(), in.pos, ZSTD_getErrorName(wanted));
    }
    is_inside_frame = wanted != 0;
    if (is_at_end && is_inside_frame && out.pos == 0) {
      fail(ErrorCode::kCorruptData,
           "{}: expected more Zstandard data after byte {}; the file is cut", file->path(), in.pos);
    }
  }
  position = in.pos;
  return out.pos;
}

}  // namespace weir::io
