#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>

#include "weir/subnet/ngram_counter.h"
#include "weir/text/tokenizer.h"

namespace weir {

/// Rows of tokens of one length, out of a file of any of these kinds, told by what is in it:
///  - a shard of tokens (weir/data), read as it is needed;
///  - tensors of token ids [N, T], or one row [n] that is cut, in safetensors, npz or npy
///    (FILE:KEY; "tokens" without a key);
///  - a text file of token ids, one row a line;
///  - any other text, which the tokenizer cuts.
/// What is left over at the end is dropped.
class Corpus {
 public:
  /// `tokenizer` may be null: then text is kNotFound. `length`: of rows that are cut; rows of
  /// tensors and lines keep theirs unless they are longer.
  static Corpus open(const std::string& place, const Tokenizer* tokenizer, int64_t length);
  /// Of rows that lie in memory.
  static Corpus of(at::Tensor rows);

  int64_t n_rows() const { return n_rows_; }
  int64_t length() const { return length_; }
  int64_t n_tokens() const { return n_rows_ * length_; }
  /// int64 [n, T]: rows first .. first + n - 1.
  at::Tensor rows(int64_t first, int64_t n) const { return read_(first, n); }
  /// Rows [from, to) alone.
  Corpus part(int64_t from, int64_t to) const;
  /// int64 [n, T]: rows i n .. of an endless order that goes through all rows in each epoch, in an
  /// order of its own drawn from the seed.
  at::Tensor batch(int64_t i, int64_t n, uint64_t seed) const;

 private:
  Corpus(int64_t n_rows, int64_t length, std::function<at::Tensor(int64_t, int64_t)> read)
      : n_rows_(n_rows), length_(length), read_(std::move(read)) {}

  int64_t n_rows_ = 0, length_ = 0;
  std::function<at::Tensor(int64_t, int64_t)> read_;
};

/// Counts all rows as sequences; shows progress.
NgramModel count_ngrams(const Corpus& corpus, const NgramCountOptions& options);

}  // namespace weir
