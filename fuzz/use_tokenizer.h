#pragma once

#include "weir/text/tokenizer.h"

namespace weir::fuzz {

/// A text there and back, with bytes that a small vocabulary does not know.
inline void use(const Tokenizer& tokenizer) {
  tokenizer.decode(tokenizer.encode("Hello, wörld  日本\n").ids);
}

}  // namespace weir::fuzz
