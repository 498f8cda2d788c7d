#pragma once

#include <filesystem>

#include "weir/io/tensor_view.h"

namespace weir {

/// The arrays of a Python pickle {name: numpy array of bools}, as the masks of 2504.15471 are
/// released (protocols 3 to 5), without Python: a machine that knows dicts, strings, numbers, bytes
/// and plain numpy arrays of bools. Nothing is imported or called. Strings become metadata.
/// kUnsupported names what else it meets, kCorruptData for a broken file.
io::TensorMap read_mask_pickle(const std::filesystem::path& path);

}  // namespace weir
