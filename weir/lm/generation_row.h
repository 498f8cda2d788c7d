#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "weir/lm/generate.h"
#include "weir/lm/stop_scanner.h"

namespace weir {

/// What ends a row, the same for all rows of a call.
struct RowLimits {
  std::vector<int64_t> end_tokens;  ///< The model stops by itself after any of these.
  int64_t max_sequence = 0;         ///< Tokens a sequence can hold with its newest; 0: any.
};

/// One sequence being generated: takes tokens until something stops it, decodes them, and tells
/// the callback. `options` must outlive it.
class GenerationRow {
 public:
  GenerationRow(int64_t index, std::vector<int64_t> prompt, const GenerateOptions& options,
                const RowLimits& limits, const Tokenizer* tokenizer);

  void push(int64_t token, double log_prob);
  bool is_running() const { return result_.stopped_by.empty(); }
  int64_t index() const { return index_; }
  int64_t n_new() const { return static_cast<int64_t>(result_.tokens.size()); }
  /// Prompt and generated tokens.
  const std::vector<int64_t>& sequence() const { return sequence_; }
  Generation take() { return std::move(result_); }

 private:
  bool is_end(int64_t token) const;
  bool is_full() const;
  std::string decode(int64_t token);
  std::string flush();
  void drop_tokens_of_stop();

  int64_t index_;
  const GenerateOptions& options_;
  const RowLimits& limits_;
  std::optional<StreamDecoder> decoder_;
  StopScanner scanner_;
  std::vector<int64_t> sequence_;
  std::vector<size_t> text_begin_;  ///< Where in all the text each new token began.
  size_t n_decoded_ = 0;            ///< Bytes decoded, certain or not.
  Generation result_;
};

}  // namespace weir
