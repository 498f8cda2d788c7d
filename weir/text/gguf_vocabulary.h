#pragma once

#include "weir/text/piece.h"

namespace weir::io {
class GgufFile;
}

namespace weir::text {

/// The tokenizer of a GGUF file's `tokenizer.*` entries. Rules that the entries leave open are
/// llama.cpp's. kUnsupported for other kinds than "gpt2" and "llama" and for unknown values of
/// `tokenizer.ggml.pre` (both name those known); kCorruptData for entries that are missing or
/// contradict each other.
TokenizerSource read_gguf_vocabulary(const io::GgufFile& file);

}  // namespace weir::text
