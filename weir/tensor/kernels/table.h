#pragma once

#include "weir/tensor/kernels/adam.h"
#include "weir/tensor/kernels/products.h"
#include "weir/tensor/kernels/rows.h"
#include "weir/tensor/kernels/sparse.h"
#include "weir/tensor/kernels/statistics.h"

namespace weir::kernels {

/// Every kernel for one vector type. Instantiated once, in that instruction set's source file.
template <class V>
KernelTable make_table(Isa isa) {
  KernelTable table;
  table.isa = isa;
  table.f32 = Products<V, F32>::kernels();
  table.f16 = Products<V, F16>::kernels();
  table.bf16 = Products<V, Bf16>::kernels();
  table.q4_0 = Products<V, Q4_0>::kernels();
  table.q4_1 = Products<V, Q4_1>::kernels();
  table.q5_0 = Products<V, Q5_0>::kernels();
  table.q5_1 = Products<V, Q5_1>::kernels();
  table.q8_0 = Products<V, Q8_0>::kernels();
  table.q2_k = Products<V, Q2_K>::kernels();
  table.q3_k = Products<V, Q3_K>::kernels();
  table.q4_k = Products<V, Q4_K>::kernels();
  table.q5_k = Products<V, Q5_K>::kernels();
  table.q6_k = Products<V, Q6_K>::kernels();
  table.finish_logits = Statistics<V>::finish_logits;
  table.exponential_sums = Statistics<V>::exponential_sums;
  table.weighted_difference = Statistics<V>::weighted_difference;
  table.score_gradient = Statistics<V>::score_gradient;
  table.count_greater = Statistics<V>::count_greater;
  table.offer_top = Statistics<V>::offer_top;
  table.attention_weights = Rows<V>::attention_weights;
  table.attention_weight_gradients = Rows<V>::attention_weight_gradients;
  table.softmax = Rows<V>::softmax;
  table.decode_attention = Rows<V>::decode_attention;
  table.rms_norm = Rows<V>::rms_norm;
  table.rms_norm_gradient = Rows<V>::rms_norm_gradient;
  table.gated_gradient = Rows<V>::gated_gradient;
  table.gated = Rows<V>::gated;
  table.rotate_half = Rows<V>::rotate_half;
  table.dot = Rows<V>::dot;
  table.adam = adam<V>;
  table.add_rows = Sparse<V>::add_rows;
  table.row_dots = Sparse<V>::row_dots;
  table.find_greater = Sparse<V>::find_greater;
  return table;
}

KernelTable scalar_table();
KernelTable avx2_table();
KernelTable avx512_table();

}  // namespace weir::kernels
