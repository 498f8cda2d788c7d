#pragma once

#include <array>
#include <cstdint>

namespace weir::data {

/// A random order of 0 .. n - 1 that is computed, not stored: O(1) memory, any place at once.
///
/// A Feistel network of eight rounds over the least even number of bits that hold n; places that
/// fall outside are sent through again until they fall inside (cycle walking: Black and Rogaway
/// 2002), less than four times on average. The same on every machine.
class Permutation {
 public:
  /// 1 <= n <= 2^62. Each (seed, epoch) gives another order.
  Permutation(int64_t n, uint64_t seed, uint64_t epoch);

  /// Which of 0 .. n - 1 stands at `place`, 0 <= place < n.
  int64_t at(int64_t place) const;

 private:
  uint64_t through(uint64_t value) const;

  uint64_t n_;
  int half_bits_;
  std::array<uint64_t, 8> keys_;
};

}  // namespace weir::data
