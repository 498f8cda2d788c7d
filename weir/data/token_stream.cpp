#include "weir/data/token_stream.h"

#include <algorithm>
#include <cmath>

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir::data {
namespace {

constexpr int64_t kBlock = 64;  // Documents; what is searched one by one.

}  // namespace

bool contains(const Split& split, int64_t document) {
  if (split.part == Part::kAll) return true;
  const uint64_t hash = Draw(Draw(split.seed).next() ^ static_cast<uint64_t>(document)).next();
  const double uniform = std::ldexp(static_cast<double>(hash >> 11), -53);  // [0, 1)
  return (uniform < split.validation_fraction) == (split.part == Part::kValidation);
}

TokenStream::TokenStream(std::shared_ptr<const TokenShard> shard, const Split& split)
    : shard_(std::move(shard)), split_(split) {
  require(split.validation_fraction >= 0 && split.validation_fraction <= 1,
          "validation split: expected a fraction from 0 to 1, got {}", split.validation_fraction);
  int64_t sum = 0;
  for (int64_t d = 0; d < shard_->n_documents(); ++d) {
    if (d % kBlock == 0) block_begin_.push_back(sum);
    if (contains(split_, d)) ++n_documents_;
    sum += length(d);
  }
  block_begin_.push_back(sum);
  require(sum > 0,
          "{}: expected tokens in the {} part, found none among {} documents (fraction {}); take "
          "another fraction, or a shard of its own for validation",
          shard_->path(),
          split.part == Part::kAll     ? "whole"
          : split.part == Part::kTrain ? "training"
                                       : "validation",
          shard_->n_documents(), split.validation_fraction);
}

int64_t TokenStream::length(int64_t document) const {
  return contains(split_, document) ? shard_->document(document).size() : 0;
}

void TokenStream::each_run(int64_t begin, int64_t n,
                           const std::function<void(const Run&)>& take) const {
  require(begin >= 0 && n >= 0 && begin <= n_tokens() - n,
          "{}: expected tokens within 0 to {}, got {} from {} on", shard_->path(), n_tokens(), n,
          begin);
  const auto block = std::upper_bound(block_begin_.begin(), block_begin_.end() - 1, begin) - 1;
  int64_t skip = begin - *block;  // Tokens still before the first one wanted.
  for (int64_t d = (block - block_begin_.begin()) * kBlock; n > 0; ++d) {
    const int64_t size = length(d);
    if (size <= skip) {
      skip -= size;
      continue;
    }
    const int64_t count = std::min(size - skip, n);
    take({d, skip, shard_->document(d).part(skip, count)});
    n -= count;
    skip = 0;
  }
}

}  // namespace weir::data
