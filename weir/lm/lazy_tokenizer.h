#pragma once

#include <functional>
#include <mutex>
#include <optional>

#include "weir/text/tokenizer.h"

namespace weir {

/// A tokenizer that is made when someone first asks for it: building a large vocabulary takes
/// longer than mapping the weights, and runs on ready token ids never need it. Thread-safe.
class LazyTokenizer {
 public:
  explicit LazyTokenizer(std::function<Tokenizer()> make);
  /// The tokenizer; throws what making it throws.
  const Tokenizer& get() const;

 private:
  std::function<Tokenizer()> make_;
  mutable std::once_flag once_;
  mutable std::optional<Tokenizer> made_;
};

}  // namespace weir
