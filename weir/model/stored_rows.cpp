#include "weir/model/stored_rows.h"

#include <cstring>

#include "weir/base/error.h"
#include "weir/io/file_tensor.h"

namespace weir {

io::TensorView with_rows(const io::TensorView& tensor, const std::vector<int64_t>& index) {
  const auto n_rows = static_cast<int64_t>(index.size());
  require(!tensor.shape.empty() && tensor.shape[0] == n_rows,
          "checkpoint: tensor '{}' has shape {}, expected {} rows", tensor.name,
          io::shape_text(tensor.shape), n_rows);
  const uint64_t row_bytes = tensor.n_bytes / n_rows;
  const std::shared_ptr<std::byte[]> bytes = io::allocate_tensor(tensor.n_bytes);
  for (int64_t row = 0; row < n_rows; ++row) {
    std::memcpy(bytes.get() + row * row_bytes, tensor.data + index[row] * row_bytes, row_bytes);
  }
  io::TensorView result = tensor;
  result.data = bytes.get();
  result.owner = bytes;
  return result;
}

io::TensorView with_half_split_rows(const io::TensorView& tensor, int64_t n_heads) {
  const int64_t n_rows = tensor.shape.empty() ? 0 : tensor.shape[0];
  if (n_heads <= 0 || n_rows == 0 || n_rows % (2 * n_heads) != 0) {
    fail(ErrorCode::kCorruptData,
         "tensor '{}' has {} rows, expected an even number for each of {} heads", tensor.name,
         n_rows, n_heads);
  }
  const int64_t head_rows = n_rows / n_heads;
  std::vector<int64_t> index(n_rows);
  for (int64_t row = 0; row < n_rows; ++row) {
    const int64_t head = row / head_rows, within = row % head_rows, half = head_rows / 2;
    index[row] = head * head_rows + (within < half ? 2 * within : 2 * (within - half) + 1);
  }
  return with_rows(tensor, index);
}

}  // namespace weir
