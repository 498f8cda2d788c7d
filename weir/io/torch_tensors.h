#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "weir/io/tensor_view.h"
#include "weir/io/torch_pickle.h"

namespace weir::io {

/// The bytes of a storage, at a multiple of 8.
struct StorageBytes {
  const std::byte* data = nullptr;
  uint64_t n_bytes = 0;
  std::shared_ptr<const void> owner;
};

/// Finds a storage by its key; kCorruptData when there is none.
using StorageSource = std::function<StorageBytes(std::string_view key)>;

struct TorchNamingLimits {
  uint64_t name_bytes = 0;  ///< Of names and metadata together, and of values visited.
  uint64_t copy_bytes = 0;  ///< Of all tensors that cannot be views.
};

/// Gives every tensor of a pickle its path as a name and its bytes; see torch_archive.h. Tensors
/// in C order become views; others are copied. kCorruptData for a tensor outside its storage and
/// for containers that hold themselves; kUnsupported beyond the limits. `source` is the path for
/// messages.
TensorMap name_torch_tensors(const TorchPickle& pickle, const StorageSource& storages,
                             const TorchNamingLimits& limits, const std::string& source);

}  // namespace weir::io
