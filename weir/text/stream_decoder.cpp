#include "weir/base/ends_with.h"
#include "weir/text/tokenizer.h"
#include "weir/text/tokenizer_state.h"

namespace weir {
namespace {

constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

StreamDecoder::StreamDecoder(Tokenizer tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

// What was shown last is decoded again as context, so that what follows keeps its leading space.
// Held back is what may still change: bytes of a character that the next token may complete, and
// "<0xE2>" pieces, whose whole run decides how it decodes.
std::string StreamDecoder::push(int64_t id) {
  if (skip_special_ && tokenizer_.is_special(id)) return "";
  ids_.push_back(id);
  if (text::is_byte_piece(tokenizer_.state_->vocabulary, id)) return "";
  const std::string all = tokenizer_.decode(ids_, skip_special_);
  return ends_with(all, kReplacement) ? "" : advance(all);
}

std::string StreamDecoder::finish() {
  std::string rest = advance(tokenizer_.decode(ids_, skip_special_));
  ids_.clear();
  n_context_ = 0;
  n_context_bytes_ = 0;
  return rest;
}

// Returns what is new in `all`, the text of every id kept. New ids become the context once they
// have text to show.
std::string StreamDecoder::advance(const std::string& all) {
  if (all.size() <= n_context_bytes_) return "";
  std::string fresh = all.substr(n_context_bytes_);
  ids_.erase(ids_.begin(), ids_.begin() + static_cast<ptrdiff_t>(n_context_));
  n_context_ = ids_.size();
  n_context_bytes_ = tokenizer_.decode(ids_, skip_special_).size();
  return fresh;
}

}  // namespace weir
