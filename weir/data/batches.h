#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/data/mixture.h"
#include "weir/data/token_stream.h"

/// Rows of tokens for training and evaluation, out of one shard or several.
namespace weir::data {

enum class Packing {
  kStream,     ///< Documents end to end; their ends are ordinary tokens, attention crosses them.
  kDocuments,  ///< The same rows, but each document in a row stands for itself.
};

struct RowOptions {
  int64_t length = 256;  ///< T, at least 2.
  Packing packing = Packing::kStream;
  bool shuffle = false;  ///< Rows in another order each epoch, by (seed, epoch); else as they lie.
  uint64_t seed = 0;
};

/// What a step of training takes. A label is the token of its own place, -100 where nothing is to
/// be predicted: the logits of place t - 1 are compared with label t. Never predicted are the first
/// token of a row, with kDocuments also the first of each document in it, and padding.
///
/// Only the last row of a source can be padded (on the right, with id 0): it holds what is left
/// over. With kDocuments padding is a document of its own after the others, with kStream no real
/// token sees it under causal attention. Such a row, if it holds one token, has no label at all.
struct Batch {
  at::Tensor ids;     ///< int64 [B, T]
  at::Tensor labels;  ///< int64 [B, T]
  /// int64 [B, T], kDocuments only: the documents of a row are 0, 1, 2, ... as they come. What
  /// ForwardInput::segments takes. A document that a row's end cuts goes on in the next row as one
  /// of its own.
  at::Tensor document;
  at::Tensor positions;  ///< int64 [B, T], kDocuments only: restart at 0 with each document.
};

struct Source {
  std::shared_ptr<const TokenStream> tokens;
  double weight = 1;  ///< Share of the rows, relative to the other sources (see Mixture).
};

/// Rows numbered 0, 1, 2, ... without end: to resume means to go on at row n. Of one source they
/// are its rows epoch after epoch; of several, each source runs through its own epochs at the pace
/// that its weight gives. The same numbers give the same rows on every machine. Nothing is kept but
/// the mapped shards: const methods are safe from several threads.
///
///     const auto shard = TokenShard::open("stories.shard");
///     const auto part = std::make_shared<TokenStream>(shard, Split{Part::kTrain, 0.01});
///     const TokenRows rows({{part}}, {256, Packing::kStream, true});
///     for (int64_t step = 0; step < n_steps; ++step) {
///       train(rows.batch(step * 8, 8));
///     }
///
/// To evaluate, take one TokenRows for each source (Part::kValidation, no shuffling) and its rows
/// 0 .. n_rows() - 1: every token once.
class TokenRows {
 public:
  /// kInvalidArgument for a length below 2, no sources, or weights that Mixture refuses.
  TokenRows(std::vector<Source> sources, const RowOptions& options);

  const RowOptions& options() const noexcept { return options_; }
  int64_t n_sources() const noexcept { return static_cast<int64_t>(sources_.size()); }
  /// In one pass over a source, the padded row included.
  int64_t n_rows(int64_t source) const;
  /// In one pass over every source, whatever their weights.
  int64_t n_rows() const;

  struct Place {
    int64_t source, epoch;
    int64_t row;  ///< As it lies in the source: tokens [row * T, row * T + T).
  };
  Place place(int64_t row) const;
  /// Tokens of a row that are no padding, 1 to T.
  int64_t n_real(int64_t row) const;
  /// Rows first, first + 1, ..., first + n - 1.
  Batch batch(int64_t first, int64_t n) const;

 private:
  std::vector<Source> sources_;
  RowOptions options_;
  Mixture mixture_;
};

}  // namespace weir::data
