#pragma once

#include "weir/tensor/kernels/functions.h"
#include "weir/tensor/kernels/kernels.h"

/// What a decoding step does between its matrix products, one row at a time: where a dozen tensor
/// operations would each cost more than the arithmetic.
namespace weir::kernels {

template <class V>
struct Rows {
  using F = typename V::F;

  static float dot(const float* a, const float* b, int64_t n) {
    F sum = V::zero();
    for_vectors<V>(a, n, [&](int64_t i, F value, int count) {
      sum = V::fma(value, load_some<V>(b + i, count), sum);
    });
    return V::sum(sum);
  }

  static void softmax(const float* x, int64_t n, float* out) {
    F largest = V::set(-__builtin_inff());
    int64_t whole = n - n % V::kWidth;
    for (int64_t i = 0; i < whole; i += V::kWidth) largest = V::max(largest, V::load(x + i));
    float top = V::largest(largest);
    for (int64_t i = whole; i < n; ++i) top = x[i] > top ? x[i] : top;
    if (top == -__builtin_inff()) {
      for (int64_t i = 0; i < n; ++i) out[i] = 0;
      return;
    }
    F sums = V::zero();
    const F tops = V::set(top);
    float sum = 0;
    for_vectors<V>(x, n, [&](int64_t i, F a, int count) {
      const F e = exponential<V>(V::sub(a, tops));
      store_some<V>(out + i, e, count);
      if (count == V::kWidth) {
        sums = V::add(sums, e);
      } else {
        for (int j = 0; j < count; ++j) sum += out[i + j];
      }
    });
    const F share = V::set(1 / (sum + V::sum(sums)));
    for_vectors<V>(out, n, [&](int64_t i, F a, int count) {
      store_some<V>(out + i, V::mul(a, share), count);
    });
  }

  static void attention_weights(const WeightTask& t) {
    for (int64_t i = 0; i < t.first; ++i) t.scores[i] = 0;
    for (int64_t i = t.end; i < t.n_keys; ++i) t.scores[i] = 0;
    float* scores = t.scores + t.first;
    const int64_t n = t.end - t.first;
    const F scale = V::set(t.scale);
    for_vectors<V>(scores, n, [&](int64_t i, F a, int count) {
      store_some<V>(scores + i, V::mul(a, scale), count);
    });
    if (t.slope != 0) {
      for (int64_t i = 0; i < n; ++i) scores[i] += t.slope * static_cast<float>(i - n + 1);
    }
    if (t.softcap > 0) cap(scores, n, t.softcap);
    softmax(scores, n, scores);
  }

  static void attention_weight_gradients(const WeightGradientTask& t) {
    const float* weights = t.made.scores;
    const int64_t n = t.made.n_keys;
    const F mean = V::set(dot(weights, t.gradient, n)), scale = V::set(t.made.scale);
    for_vectors<V>(weights, n, [&](int64_t i, F weight, int count) {
      const F centred = V::sub(load_some<V>(t.gradient + i, count), mean);
      store_some<V>(t.gradient + i, V::mul(V::mul(weight, centred), scale), count);
    });
    if (t.made.softcap <= 0) return;
    // d cap tanh(s / cap) / ds = 1 - tanh^2.
    const int64_t last = t.made.end - 1;
    for (int64_t i = t.made.first; i < t.made.end; ++i) {
      const float score =
          t.made.scale * t.products[i] + t.made.slope * static_cast<float>(i - last);
      float bent;
      store_some<V>(&bent, hyperbolic_tangent<V>(V::set(score / t.made.softcap)), 1);
      t.gradient[i] *= 1 - bent * bent;
    }
  }

  static void cap(float* scores, int64_t n, float limit) {
    const F up = V::set(limit), down = V::set(1 / limit);
    for_vectors<V>(scores, n, [&](int64_t i, F a, int count) {
      store_some<V>(scores + i, V::mul(hyperbolic_tangent<V>(V::mul(a, down)), up), count);
    });
  }

  static void mix(const DecodeTask& t) {
    for (int64_t h = 0; h < t.n_queries; ++h) {
      float* out = t.out + h * t.d_head;
      for (int64_t i = 0; i < t.d_head; ++i) out[i] = 0;
      for (int64_t key = t.first_key; key < t.n_keys; ++key) {
        const F weight = V::set(t.scores[h * t.n_keys + key]);
        for_vectors<V>(t.values + key * t.value_stride, t.d_head,
                       [&](int64_t i, F value, int count) {
                         const F sum = V::fma(weight, value, load_some<V>(out + i, count));
                         store_some<V>(out + i, sum, count);
                       });
      }
    }
  }

  static void decode_attention(const DecodeTask& t) {
    for (int64_t key = t.first_key; key < t.n_keys; ++key) {
      for (int64_t h = 0; h < t.n_queries; ++h) {
        t.scores[h * t.n_keys + key] =
            dot(t.query + h * t.d_head, t.keys + key * t.key_stride, t.d_head);
      }
    }
    for (int64_t h = 0; h < t.n_queries; ++h) {
      attention_weights({t.scores + h * t.n_keys, t.n_keys, t.first_key, t.n_keys, t.scale,
                         t.softcap, t.slopes == nullptr ? 0 : t.slopes[h]});
    }
    mix(t);
  }

  static void rms_norm(const float* x, int64_t n, const float* gain, float offset, float eps,
                       float* out) {
    const float mean = dot(x, x, n) / static_cast<float>(n);
    const F factor = V::set(1 / __builtin_sqrtf(mean + eps));
    const F plus = V::set(offset);
    for_vectors<V>(x, n, [&](int64_t i, F a, int count) {
      F y = V::mul(a, factor);
      if (gain != nullptr) y = V::mul(y, V::add(load_some<V>(gain + i, count), plus));
      store_some<V>(out + i, y, count);
    });
  }

  static void rms_norm_gradient(const RmsGradientTask& t) {
    const float mean = dot(t.x, t.x, t.n) / static_cast<float>(t.n);
    const float inverse = 1 / __builtin_sqrtf(mean + t.eps);
    const F factor = V::set(inverse), plus = V::set(t.offset);
    F sums = V::zero();
    for_vectors<V>(t.x, t.n, [&](int64_t i, F x, int count) {
      F dy = load_some<V>(t.dy + i, count);
      if (t.dgain != nullptr) {
        const F sum = V::fma(V::mul(x, factor), dy, load_some<V>(t.dgain + i, count));
        store_some<V>(t.dgain + i, sum, count);
      }
      if (t.gain != nullptr) dy = V::mul(dy, V::add(load_some<V>(t.gain + i, count), plus));
      store_some<V>(t.dx + i, dy, count);
      sums = V::fma(dy, x, sums);
    });
    const F pull = V::set(-V::sum(sums) * inverse * inverse * inverse / static_cast<float>(t.n));
    for_vectors<V>(t.dx, t.n, [&](int64_t i, F dy, int count) {
      const F x = load_some<V>(t.x + i, count);
      store_some<V>(t.dx + i, V::fma(x, pull, V::mul(dy, factor)), count);
    });
  }

  static F silu(F x) {
    const F one = V::set(1);
    return V::div(x, V::add(one, exponential<V>(V::sub(V::zero(), x))));
  }

  static F gelu_tanh(F x) {
    const F cubic = V::fma(V::mul(V::mul(x, x), x), V::set(0.044715F), x);
    const F t = hyperbolic_tangent<V>(V::mul(cubic, V::set(0.7978845608028654F)));
    return V::mul(V::mul(x, V::set(0.5F)), V::add(t, V::set(1)));
  }

  static void gated(const float* gate, const float* up, int64_t n, GateKind kind, float* out) {
    for_vectors<V>(gate, n, [&](int64_t i, F a, int count) {
      const F opened = kind == GateKind::kSilu ? silu(a) : gelu_tanh(a);
      const F y = up == nullptr ? opened : V::mul(opened, load_some<V>(up + i, count));
      store_some<V>(out + i, y, count);
    });
  }

  // d silu / dx = s (1 + x (1 - s)), with s the sigmoid.
  static F silu_slope(F x) {
    const F one = V::set(1);
    const F s = V::div(one, V::add(one, exponential<V>(V::sub(V::zero(), x))));
    return V::mul(s, V::fma(x, V::sub(one, s), one));
  }

  // With u = root (x + .044715 x^3), t = tanh u: (1 + t + x (1 - t^2) du/dx) / 2.
  static F gelu_tanh_slope(F x) {
    const F one = V::set(1), root = V::set(0.7978845608028654F);
    const F square = V::mul(x, x);
    const F cubic = V::fma(V::mul(square, x), V::set(0.044715F), x);
    const F t = hyperbolic_tangent<V>(V::mul(cubic, root));
    const F inner = V::mul(V::fma(square, V::set(0.134145F), one), root);
    const F bend = V::mul(V::mul(x, V::sub(one, V::mul(t, t))), inner);
    return V::mul(V::set(0.5F), V::add(V::add(one, t), bend));
  }

  static void gated_gradient(const GatedGradientTask& t) {
    for_vectors<V>(t.gate, t.n, [&](int64_t i, F gate, int count) {
      F dy = load_some<V>(t.dy + i, count);
      const F slope = t.kind == GateKind::kSilu ? silu_slope(gate) : gelu_tanh_slope(gate);
      if (t.up != nullptr) {
        const F opened = t.kind == GateKind::kSilu ? silu(gate) : gelu_tanh(gate);
        const F up = load_some<V>(t.up + i, count);
        store_some<V>(t.dup + i, V::mul(dy, opened), count);
        dy = V::mul(dy, up);
      }
      store_some<V>(t.dgate + i, V::mul(dy, slope), count);
    });
  }

  static void rotate_half(float* x, int64_t n, const float* cos, const float* sin) {
    const int64_t half = n / 2;
    for_vectors<V>(x, half, [&](int64_t i, F a, int count) {
      const F b = load_some<V>(x + half + i, count);
      const F c = load_some<V>(cos + i, count), s = load_some<V>(sin + i, count);
      store_some<V>(x + i, V::sub(V::mul(a, c), V::mul(b, s)), count);
      store_some<V>(x + half + i, V::fma(b, c, V::mul(a, s)), count);
    });
  }
};

}  // namespace weir::kernels
