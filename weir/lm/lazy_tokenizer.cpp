#include "weir/lm/lazy_tokenizer.h"

#include <utility>

namespace weir {

LazyTokenizer::LazyTokenizer(std::function<Tokenizer()> make) : make_(std::move(make)) {}

const Tokenizer& LazyTokenizer::get() const {
  std::call_once(once_, [this] { made_ = make_(); });
  return *made_;
}

}  // namespace weir
