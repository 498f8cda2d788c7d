#pragma once

#include "weir/tensor/kernels/functions.h"
#include "weir/tensor/kernels/kernels.h"

/// Passes over a stretch of logits.
namespace weir::kernels {

template <class V>
struct Statistics {
  using F = typename V::F;
  static constexpr float kMinusInfinity = -__builtin_inff();

  static F first_or(F a, int count, float other) {
    if (count == V::kWidth) return a;
    float lanes[V::kWidth];
    V::store(lanes, a);
    for (int i = count; i < V::kWidth; ++i) lanes[i] = other;
    return V::load(lanes);
  }

  static float finish_logits(float* z, int64_t n, const float* bias, float cap) {
    F largest = V::set(kMinusInfinity);
    const F up = V::set(cap), down = V::set(cap == 0 ? 0 : 1 / cap);
    for_vectors<V>(z, n, [&](int64_t i, F a, int count) {
      if (bias != nullptr) a = V::add(a, load_some<V>(bias + i, count));
      if (cap != 0) a = V::mul(hyperbolic_tangent<V>(V::mul(a, down)), up);
      if (bias != nullptr || cap != 0) store_some<V>(z + i, a, count);
      largest = V::max(largest, first_or(a, count, kMinusInfinity));
    });
    return V::largest(largest);
  }

  static ExponentialSums exponential_sums(const float* z, int64_t n, float max,
                                          float* exponentials) {
    F sum = V::zero(), weighted = V::zero();
    const F top = V::set(max);
    for_vectors<V>(z, n, [&](int64_t i, F a, int count) {
      const F below = V::sub(a, top);
      const F e = first_or(exponential<V>(below), count, 0);
      sum = V::add(sum, e);
      weighted = V::fma(e, below, weighted);
      if (exponentials != nullptr) store_some<V>(exponentials + i, e, count);
    });
    return {V::sum(sum), V::sum(weighted)};
  }

  static float weighted_difference(const float* e, const float* a, const float* b, int64_t n) {
    F sum = V::zero();
    for_vectors<V>(e, n, [&](int64_t i, F weight, int count) {
      const F difference = V::sub(load_some<V>(a + i, count), load_some<V>(b + i, count));
      sum = V::fma(weight, difference, sum);
    });
    return V::sum(sum);
  }

  static void score_gradient(float* z, int64_t n, const ScoreGradient& of) {
    const F shift = V::set(of.logsumexp), constant = V::set(of.constant);
    const F slope = V::set(-of.slope), target = V::set(of.target), one = V::set(1);
    const F down = V::set(of.softcap == 0 ? 0 : 1 / of.softcap), none = V::zero();
    for_vectors<V>(z, n, [&](int64_t i, F a, int count) {
      F g = V::mul(exponential<V>(V::sub(a, shift)), V::fma(slope, a, constant));
      if (of.weights != nullptr) g = V::fma(target, load_some<V>(of.weights + i, count), g);
      if (of.softcap != 0) {
        const F t = V::mul(a, down);
        g = V::mul(g, V::fma(V::sub(none, t), t, one));
      }
      store_some<V>(z + i, g, count);
    });
  }

  static uint32_t greater_bits(F a, F threshold, int count) {
    return V::greater_bits(a, threshold) & ((1U << count) - 1);
  }

  static int64_t count_greater(const float* z, int64_t n, float threshold) {
    int64_t total = 0;
    const F limit = V::set(threshold);
    for_vectors<V>(z, n, [&](int64_t, F a, int count) {
      total += __builtin_popcount(greater_bits(a, limit, count));
    });
    return total;
  }

  static void insert(const TopCandidates& top, float value, int64_t id) {
    int64_t place = top.k - 1;
    for (; place > 0 && top.values[place - 1] < value; --place) {
      top.values[place] = top.values[place - 1];
      top.ids[place] = top.ids[place - 1];
    }
    top.values[place] = value;
    top.ids[place] = id;
  }

  static void offer_top(const float* z, int64_t n, int64_t first_id, const TopCandidates& top) {
    float& least = top.values[top.k - 1];
    for_vectors<V>(z, n, [&](int64_t i, F a, int count) {
      uint32_t bits = greater_bits(a, V::set(least), count);
      for (; bits != 0; bits &= bits - 1) {
        const int64_t at = i + __builtin_ctz(bits);
        if (z[at] > least) insert(top, z[at], first_id + at);
      }
    });
  }
};

}  // namespace weir::kernels
