#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/subnet/ngram.h"

namespace weir {

struct NgramCountOptions {
  int64_t order = 2;
  int64_t vocabulary = 0;
  /// Bytes for n-grams that wait to be sorted, of all orders together.
  int64_t buffer_bytes = int64_t{256} << 20;
  /// A folder for sorted runs, which `finish` or the destructor removes. Empty: runs are merged in
  /// memory as they come.
  std::filesystem::path scratch;
};

/// Counts n-grams of a stream of tokens in bounded memory, exactly. Full buffers are sorted into
/// runs of (n-gram, count); the runs are merged at the end.
///
/// Memory: buffer_bytes, 8 V bytes, and the result (about 16 bytes for each different n-gram; while
/// merging 12 bytes more of the order that is merged); without `scratch` twice the runs so far.
/// Time: that of sorting 8 bytes a token and order.
class NgramCounter {
 public:
  /// kInvalidArgument when (V + 1)^order does not fit 63 bits.
  explicit NgramCounter(const NgramCountOptions& options);
  ~NgramCounter();
  NgramCounter(const NgramCounter&) = delete;
  NgramCounter& operator=(const NgramCounter&) = delete;

  /// The next tokens of the stream. kInvalidArgument for ids outside the vocabulary.
  void add(const int64_t* ids, int64_t n);
  /// What comes now has nothing before it: n-grams reach back to the start token V.
  void start_sequence();
  /// Every row of int64 [B, T] as a sequence.
  void add_rows(const at::Tensor& tokens);
  int64_t n_tokens() const { return n_tokens_; }

  /// The table; the counter is empty afterwards.
  NgramModel finish();

 private:
  class Runs;
  void begin();
  NgramCountOptions options_;
  std::vector<std::unique_ptr<Runs>> runs_;  ///< Of orders 2 .. n.
  std::vector<int64_t> unigrams_;
  std::vector<int64_t> recent_;  ///< The last order - 1 tokens.
  int64_t n_tokens_ = 0;
};

}  // namespace weir
