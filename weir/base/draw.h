#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace weir {

/// Random choices that are the same on every machine and library (SplitMix64, Steele et al. 2014):
/// a seed names a prompt set.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  /// Uniform in 0 .. n - 1, n > 0; without bias.
  uint64_t below(uint64_t n) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % n;
    uint64_t value = next();
    while (value >= limit) value = next();
    return value % n;
  }
  template <typename T>
  const T& pick(const std::vector<T>& from) {
    return from[below(from.size())];
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// `k` different ones of `from`, in random order; k <= from.size().
  template <typename T>
  std::vector<T> pick(std::vector<T> from, size_t k) {
    shuffle(from);
    from.resize(k);
    return from;
  }

 private:
  uint64_t state_;
};

}  // namespace weir
