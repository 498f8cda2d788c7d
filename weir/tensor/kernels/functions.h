#pragma once

#include "weir/tensor/kernels/formats.h"

/// exp and tanh of vectors. Coefficients: Cephes single precision (S. Moshier, public domain).
namespace weir::kernels {

/// e^x with a relative error below 2e-7; 0 below -87.3 (also for -inf); finite up to 88.
template <class V>
WEIR_INLINE typename V::F exponential(typename V::F x) {
  using F = typename V::F;
  const F lowest = V::set(-87.3F);
  const F bounded = V::min(V::max(x, lowest), V::set(88.0F));
  const F n = V::nearest(V::mul(bounded, V::set(1.44269504088896341F)));
  // ln 2 in two parts: n times the first is exact.
  F r = V::fma(n, V::set(-0.693359375F), bounded);
  r = V::fma(n, V::set(2.12194440e-4F), r);
  F p = V::set(1.9875691500e-4F);
  p = V::fma(p, r, V::set(1.3981999507e-3F));
  p = V::fma(p, r, V::set(8.3334519073e-3F));
  p = V::fma(p, r, V::set(4.1665795894e-2F));
  p = V::fma(p, r, V::set(1.6666665459e-1F));
  p = V::fma(p, r, V::set(5.0000001201e-1F));
  p = V::add(V::fma(p, V::mul(r, r), r), V::set(1.0F));
  return V::where_less(x, lowest, V::zero(), V::mul(p, V::power_of_two(n)));
}

/// tanh x with a relative error below 4e-7.
template <class V>
WEIR_INLINE typename V::F hyperbolic_tangent(typename V::F x) {
  using F = typename V::F;
  const F square = V::mul(x, x);
  F p = V::set(-5.70498872745e-3F);
  p = V::fma(p, square, V::set(2.06390887954e-2F));
  p = V::fma(p, square, V::set(-5.37397155531e-2F));
  p = V::fma(p, square, V::set(1.33314422036e-1F));
  p = V::fma(p, square, V::set(-3.33332819422e-1F));
  const F near_zero = V::fma(V::mul(p, square), x, x);
  const F doubled = exponential<V>(V::min(V::add(x, x), V::set(40.0F)));
  const F far = V::sub(V::set(1.0F), V::div(V::set(2.0F), V::add(doubled, V::set(1.0F))));
  return V::where_less(V::abs(x), V::set(0.625F), near_zero, far);
}

/// function(i, F) for x[0, n) by vectors, the last one filled with zeros; `count` is how many of
/// its lanes are real.
template <class V, class Function>
WEIR_INLINE void for_vectors(const float* x, int64_t n, Function&& function) {
  int64_t i = 0;
  for (; i + V::kWidth <= n; i += V::kWidth) function(i, V::load(x + i), V::kWidth);
  if (i < n) function(i, V::load_first(x + i, static_cast<int>(n - i)), static_cast<int>(n - i));
}

template <class V>
WEIR_INLINE typename V::F load_some(const float* p, int count) {
  return count == V::kWidth ? V::load(p) : V::load_first(p, count);
}

template <class V>
WEIR_INLINE void store_some(float* p, typename V::F a, int count) {
  if (count == V::kWidth) {
    V::store(p, a);
  } else {
    V::store_first(p, a, count);
  }
}

}  // namespace weir::kernels
