#include "weir/io/gzip.h"

#include <zlib.h>

#include "weir/base/error.h"

namespace weir::io {

std::string gzip(std::string_view bytes) {
  constexpr int kGzip = 15 + 16;  // Largest window, with gzip's header.
  constexpr size_t kPiece = size_t{1} << 30;
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, kGzip, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    fail(ErrorCode::kInternal, "gzip: zlib cannot begin");
  }
  std::string packed, buffer(size_t{1} << 18, '\0');
  do {
    const std::string_view piece = bytes.substr(0, kPiece);
    bytes.remove_prefix(piece.size());
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(piece.data()));
    stream.avail_in = static_cast<uInt>(piece.size());
    do {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      deflate(&stream, bytes.empty() ? Z_FINISH : Z_NO_FLUSH);
      packed.append(buffer, 0, buffer.size() - stream.avail_out);
    } while (stream.avail_out == 0);
  } while (!bytes.empty());
  deflateEnd(&stream);
  return packed;
}

}  // namespace weir::io
