#include "weir/lm/generation_row.h"

#include <algorithm>
#include <utility>

namespace weir {

GenerationRow::GenerationRow(int64_t index, std::vector<int64_t> prompt,
                             const GenerateOptions& options, const RowLimits& limits,
                             const Tokenizer* tokenizer)
    : index_(index),
      options_(options),
      limits_(limits),
      scanner_(options.stop_strings),
      sequence_(prompt) {
  if (tokenizer != nullptr) decoder_.emplace(*tokenizer);
  result_.prompt_tokens = std::move(prompt);
  if (options.max_new == 0) result_.stopped_by = "length";
}

void GenerationRow::push(int64_t token, double log_prob) {
  std::string certain;
  if (is_end(token)) {
    certain = flush();
    result_.stopped_by = "eos";
  } else {
    result_.tokens.push_back(token);
    result_.log_probs.push_back(log_prob);
    sequence_.push_back(token);
    certain = decode(token);
    if (!scanner_.stopped() && is_full()) {
      certain += flush();
      result_.stopped_by = "length";
    }
  }
  result_.text += certain;
  if (scanner_.stopped()) {
    result_.stopped_by = "stop_string";
    drop_tokens_of_stop();
  }
  if (!options_.on_token || options_.on_token(index_, token, certain) || !is_running()) return;
  result_.stopped_by = "callback";
  result_.text += flush();
}

bool GenerationRow::is_end(int64_t token) const {
  return options_.stop_at_eos && std::find(limits_.end_tokens.begin(), limits_.end_tokens.end(),
                                           token) != limits_.end_tokens.end();
}

bool GenerationRow::is_full() const {
  const auto n_sequence = static_cast<int64_t>(sequence_.size());
  return n_new() >= options_.max_new ||
         (limits_.max_sequence > 0 && n_sequence >= limits_.max_sequence);
}

std::string GenerationRow::decode(int64_t token) {
  text_begin_.push_back(n_decoded_);
  if (!decoder_) return {};
  const std::string piece = decoder_->push(token);
  n_decoded_ += piece.size();
  return scanner_.push(piece);
}

std::string GenerationRow::flush() {
  if (!decoder_) return {};
  std::string rest = scanner_.push(decoder_->finish());
  if (!scanner_.stopped()) rest += scanner_.finish();
  return rest;
}

// A token that began before the stop string stays, also when the string began inside it.
void GenerationRow::drop_tokens_of_stop() {
  while (!result_.tokens.empty() && text_begin_[result_.tokens.size() - 1] >= result_.text.size()) {
    result_.tokens.pop_back();
    result_.log_probs.pop_back();
  }
}

}  // namespace weir
