#pragma once

#include <cstdint>
#include <vector>

#include "weir/data/activation_block.h"
#include "weir/sae/kinds/sparse_latents.h"

namespace weir {

/// Every firing of every latent over a corpus, from one pass: what pages, scores and caches are
/// made of. Memory: 8 bytes a firing (k firings a token), 12 a row, 4 a token.
class LatentEvents {
 public:
  LatentEvents(int64_t n_latents, int64_t context_length);

  /// The rows of a block that follows on the last, and the latents of each: [n, K].
  void add(const data::ActivationBlock& block, const SparseLatents& latents);

  int64_t n_latents() const { return static_cast<int64_t>(n_fired_.size()); }
  int64_t context_length() const { return context_length_; }
  int64_t n_rows() const { return static_cast<int64_t>(places_.size()); }
  int64_t n_contexts() const { return static_cast<int64_t>(tokens_.size()) / context_length_; }
  int64_t n_events() const { return n_events_; }
  /// Rows that a latent fires at.
  int64_t n_fired(int64_t latent) const { return n_fired_[static_cast<size_t>(latent)]; }
  const data::DropCounts& dropped() const { return dropped_; }

  /// Where a row stands.
  struct Place {
    int32_t context, position;
  };
  Place place(int64_t row) const { return places_[static_cast<size_t>(row)]; }
  /// The token at a place; -1 behind the end of a context.
  int32_t token(int64_t context, int64_t position) const {
    return tokens_[static_cast<size_t>(context * context_length_ + position)];
  }

  struct Event {
    int32_t latent;
    float value;
  };
  struct Events {
    const Event *first, *last;
    const Event* begin() const { return first; }
    const Event* end() const { return last; }
  };
  /// The latents of a row.
  Events of_row(int64_t row) const;

 private:
  // Blocks stay apart, so that nothing is ever copied to a larger place.
  struct Chunk {
    int64_t first_row;
    std::vector<int64_t> begin;  // Of each row, and the end.
    std::vector<Event> events;
  };
  const Chunk& chunk_of(int64_t row) const;

  int64_t context_length_, n_events_ = 0;
  std::vector<Chunk> chunks_;
  std::vector<Place> places_;
  std::vector<int32_t> tokens_;
  std::vector<int64_t> n_fired_;
  data::DropCounts dropped_;
};

/// The firings of latents first .. first + n - 1, each by rows that rise.
struct LatentRange {
  int64_t first = 0;
  std::vector<int64_t> begin;  ///< n + 1
  std::vector<int32_t> rows;
  std::vector<float> values;

  LatentRange(const LatentEvents& events, int64_t first, int64_t n);
};

}  // namespace weir
