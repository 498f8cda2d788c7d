#include "weir/io/strided.h"

#include <algorithm>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"

namespace weir::io {
namespace {

// Copies the rows (the last dimension) one after the other while `index` counts through the
// dimensions before it.
template <typename Element>
void gather(const Element* source, const std::vector<int64_t>& shape,
            const std::vector<int64_t>& strides, int64_t n_rows, Element* out) {
  const size_t last = shape.size() - 1;
  const int64_t row_length = shape[last];
  const int64_t row_stride = strides[last];
  std::vector<int64_t> index(shape.size(), 0);
  int64_t start = 0;
  for (int64_t row = 0; row < n_rows; ++row) {
    for (int64_t i = 0; i < row_length; ++i) *out++ = source[start + i * row_stride];
    for (size_t d = last; d-- > 0;) {
      start += strides[d];
      if (++index[d] < shape[d]) break;
      start -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
}

template <typename Element>
void gather_bytes(const std::byte* source, const std::vector<int64_t>& shape,
                  const std::vector<int64_t>& strides, int64_t n_rows, std::byte* out) {
  gather(reinterpret_cast<const Element*>(source), shape, strides, n_rows,
         reinterpret_cast<Element*>(out));
}

}  // namespace

std::shared_ptr<std::byte[]> gather_strided(const std::byte* source, size_t element_bytes,
                                            const std::vector<int64_t>& shape,
                                            const std::vector<int64_t>& strides) {
  require(!shape.empty() && shape.size() == strides.size(),
          "strided copy: {} sizes and {} strides; expected as many, at least one", shape.size(),
          strides.size());
  int64_t n_elements = 1;
  for (const int64_t size : shape) n_elements *= size;
  auto result = allocate_tensor(static_cast<uint64_t>(n_elements) * element_bytes);
  if (n_elements == 0) return result;
  const int64_t n_rows = n_elements / shape.back();
  switch (element_bytes) {
    case 1:
      gather_bytes<uint8_t>(source, shape, strides, n_rows, result.get());
      break;
    case 2:
      gather_bytes<uint16_t>(source, shape, strides, n_rows, result.get());
      break;
    case 4:
      gather_bytes<uint32_t>(source, shape, strides, n_rows, result.get());
      break;
    case 8:
      gather_bytes<uint64_t>(source, shape, strides, n_rows, result.get());
      break;
    default:
      fail(ErrorCode::kInvalidArgument, "strided copy: elements of {} bytes; expected 1, 2, 4 or 8",
           element_bytes);
  }
  return result;
}

bool is_c_order(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return true;
  int64_t expected = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    // The stride of a dimension of one element is never used.
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

std::vector<int64_t> fortran_order_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t d = 1; d < shape.size(); ++d) strides[d] = strides[d - 1] * shape[d - 1];
  return strides;
}

}  // namespace weir::io
