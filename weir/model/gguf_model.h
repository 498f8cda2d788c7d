#pragma once

#include <filesystem>

#include "weir/model/loader.h"

namespace weir {

/// A model from a GGUF file. Its metadata becomes the config.json that Hugging Face would have and
/// its tensors get Hugging Face's names, so that the same families read it. Quantised matrices and
/// vectors stay on the mapped file; q and k rows that llama.cpp keeps in another order are copied
/// in the form in which they are stored.
///
/// A split file is read with its other parts (io::read_gguf_parts).
///
/// kUnsupported for adapters, projectors and files of a vocabulary alone, and for an architecture
/// outside the list of docs/reference/formats.md; kCorruptData for
/// files that break the format or do not fit together.
LoadedModel load_gguf_model(const std::filesystem::path& path);

}  // namespace weir
