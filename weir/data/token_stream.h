#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "weir/data/token_shard.h"

namespace weir::data {

enum class Part { kAll, kTrain, kValidation };

/// Which documents of a shard are taken. A document belongs to the validation part when a hash of
/// its number and the seed falls below the fraction: no table, and the same whatever is read first.
/// kTrain and kValidation of one fraction and seed share no document and leave none out.
struct Split {
  Part part = Part::kAll;
  double validation_fraction = 0;  ///< Of the documents, 0 to 1.
  uint64_t seed = 0;
};
bool contains(const Split& split, int64_t document);

/// The documents of a part end to end, as one sequence of tokens. Memory: 8 bytes for every 64
/// documents of the shard. Const methods are safe from several threads.
class TokenStream {
 public:
  /// kInvalidArgument when the part holds no token: a shard of one document cannot be split.
  explicit TokenStream(std::shared_ptr<const TokenShard> shard, const Split& split = {});

  const TokenShard& shard() const noexcept { return *shard_; }
  int64_t n_tokens() const noexcept { return block_begin_.back(); }
  int64_t n_documents() const noexcept { return n_documents_; }

  /// Tokens that follow each other in one document.
  struct Run {
    int64_t document;  ///< Its number in the shard.
    int64_t begin;     ///< Of the first token in the document.
    TokenSpan tokens;  ///< Never empty.
  };
  /// Hands over tokens [begin, begin + n) of the sequence, document by document.
  void each_run(int64_t begin, int64_t n, const std::function<void(const Run&)>& take) const;

 private:
  /// Tokens of this document that the part has.
  int64_t length(int64_t document) const;

  std::shared_ptr<const TokenShard> shard_;
  Split split_;
  int64_t n_documents_ = 0;
  std::vector<int64_t> block_begin_;  ///< Tokens before each block of documents, and of all.
};

}  // namespace weir::data
