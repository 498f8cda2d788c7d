#pragma once

#include <cstdint>
#include <string_view>

#include "weir/text/piece.h"

namespace weir::text {

/// llama2.c's tokenizer.bin: pieces with scores, spaces as they are, no kinds. It does not say how
/// many it holds; `vocab_size` is the model's. The first three are the unknown piece, BOS and EOS,
/// as in every vocabulary of that project. kCorruptData when the file holds fewer or more pieces.
TokenizerSource parse_llama2c_vocabulary(std::string_view bytes, int64_t vocab_size,
                                         std::string_view what);

}  // namespace weir::text
