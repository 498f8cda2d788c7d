#include "weir/data/permutation.h"

#include "weir/base/draw.h"
#include "weir/base/error.h"

namespace weir::data {

Permutation::Permutation(int64_t n, uint64_t seed, uint64_t epoch) : n_(static_cast<uint64_t>(n)) {
  require(n >= 1 && n <= int64_t{1} << 62, "permutation: expected 1 to 2^62 places, got {}", n);
  half_bits_ = 1;
  while ((uint64_t{1} << (2 * half_bits_)) < n_) ++half_bits_;
  // The epoch goes through a draw of its own: (seed, epoch + 1) must not look like (seed + 1,
  // epoch).
  Draw draw(Draw(seed).next() ^ Draw(~epoch).next());
  for (uint64_t& key : keys_) key = draw.next();
}

uint64_t Permutation::through(uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_, right = value & mask;
  for (const uint64_t key : keys_) {
    const uint64_t mixed = left ^ (Draw(right ^ key).next() & mask);
    left = right;
    right = mixed;
  }
  return (left << half_bits_) | right;
}

int64_t Permutation::at(int64_t place) const {
  auto value = static_cast<uint64_t>(place);
  do {
    value = through(value);
  } while (value >= n_);
  return static_cast<int64_t>(value);
}

}  // namespace weir::data
