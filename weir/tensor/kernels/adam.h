#pragma once

#include "weir/tensor/kernels/functions.h"
#include "weir/tensor/kernels/kernels.h"

namespace weir::kernels {

/// Reads and writes every array once: an optimiser is bound by memory, not by arithmetic.
template <class V>
void adam(const AdamTask& t) {
  using F = typename V::F;
  const F sign = V::set(t.sign), shrink = V::set(t.shrink), pull = V::set(t.pull);
  const F mean_kept = V::set(t.mean_kept), mean_taken = V::set(t.mean_taken);
  const F square_kept = V::set(t.square_kept), square_taken = V::set(t.square_taken);
  const F step = V::set(-t.step), root_factor = V::set(t.root_factor), eps = V::set(t.eps);
  for_vectors<V>(t.gradient, t.n, [&](int64_t i, F gradient, int count) {
    const F parameter = load_some<V>(t.parameter + i, count);
    const F g = V::fma(pull, parameter, V::mul(gradient, sign));
    const F mean = V::fma(mean_taken, g, V::mul(mean_kept, load_some<V>(t.mean + i, count)));
    const F squared = V::mul(g, g);
    F square = V::mul(square_kept, load_some<V>(t.square + i, count));
    square = V::fma(square_taken, squared, square);
    store_some<V>(t.mean + i, mean, count);
    store_some<V>(t.square + i, square, count);
    if (t.largest != nullptr) {
      square = V::max(square, load_some<V>(t.largest + i, count));
      store_some<V>(t.largest + i, square, count);
    }
    const F divisor = V::fma(V::sqrt(square), root_factor, eps);
    const F moved = V::fma(step, V::div(mean, divisor), V::mul(parameter, shrink));
    store_some<V>(t.parameter + i, moved, count);
  });
}

}  // namespace weir::kernels
