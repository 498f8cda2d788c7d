#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "weir/io/tensor_view.h"

/// Inner loops over plain memory, each compiled for several instruction sets from one source.
/// Single-threaded: callers split the work. Nothing here allocates, throws or checks arguments.
namespace weir::kernels {

enum class Isa { kScalar, kAvx2, kAvx512 };

/// Products of stored weight rows with rows of x: y[n][r] = sum_k W[r][k] x[n][k].
struct ProductTask {
  const std::byte* rows = nullptr;  ///< First weight row, in its stored form.
  int64_t row_bytes = 0;            ///< From one weight row to the next.
  int64_t n_rows = 0, n_in = 0;     ///< n_in: a multiple of the format's block.
  const float* x = nullptr;         ///< [n_x] rows of n_in floats, `x_stride` apart.
  int64_t x_stride = 0, n_x = 0;    ///< Meant for few rows; any number works.
  float* y = nullptr;               ///< y[n * y_stride + r], overwritten.
  int64_t y_stride = 0;
};

/// Products with a weight matrix stored by inputs: y[n][c] = sum_k x[n][k] W[k][c].
struct ColumnTask {
  const std::byte* weights = nullptr;  ///< W[0][first column]
  int64_t row_bytes = 0;               ///< From W[k] to W[k + 1].
  int64_t n_columns = 0, n_in = 0;
  const float* x = nullptr;
  int64_t x_stride = 0, n_x = 0;
  float* y = nullptr;
  int64_t y_stride = 0;
};

using ProductFunction = void (*)(const ProductTask& task);
using ColumnFunction = void (*)(const ColumnTask& task);
using DequantiseFunction = void (*)(const std::byte* stored, int64_t n_elements, float* out);

/// The functions of one storage type; null where there is none.
struct FormatKernels {
  /// The sum runs in float32 over exactly dequantised weights: the result is the dense product's
  /// up to the order of summation, which depends on n_in and on how many rows of x there are.
  ProductFunction rows_times_x = nullptr;
  ColumnFunction x_times_columns = nullptr;  ///< Plain types only.
  DequantiseFunction dequantise = nullptr;
};

/// exp(z - max) of a stretch of logits.
struct ExponentialSums {
  float sum = 0;       ///< of exp(z - max)
  float weighted = 0;  ///< of exp(z - max) (z - max)
};

/// The gradient of a row's scores with respect to its logits (weir/tensor/vocab_loss.h).
struct ScoreGradient {
  float logsumexp = 0;
  float constant = 0;              ///< Of the factor of the probability ...
  float slope = 0;                 ///< ... constant - slope z.
  float target = 0;                ///< Factor of the target weights.
  const float* weights = nullptr;  ///< [n] target weights; null: none.
  float softcap = 0;               ///< What z was capped with; 0: nothing.
};

/// The k largest values of a row so far, largest first; equal ones in order of arrival.
struct TopCandidates {
  float* values = nullptr;  ///< [k], -inf where empty
  int64_t* ids = nullptr;   ///< [k]
  int64_t k = 0;
};

/// Attention weights of one query, in place of its products with consecutive keys: softmax of
/// cap * tanh((scale * product + slope * (key - last visible key)) / cap) over the visible ones.
struct WeightTask {
  float* scores = nullptr;  ///< [n_keys]
  int64_t n_keys = 0;
  int64_t first = 0, end = 0;  ///< Visible: first .. end - 1; the others get 0.
  float scale = 1, softcap = 0, slope = 0;
};

/// The way back through attention weights: from d loss / d weight, in place, to d loss / d product.
struct WeightGradientTask {
  WeightTask made;                  ///< What made the weights; `scores` holds them now.
  const float* products = nullptr;  ///< [n_keys] as they were before; only with a softcap.
  float* gradient = nullptr;        ///< [n_keys]
};

/// One query against the keys and values of its key head: decoding's attention.
struct DecodeTask {
  const float* query = nullptr;  ///< [n_queries] heads that share the key head, d_head apart.
  int64_t n_queries = 0, d_head = 0;
  const float* keys = nullptr;  ///< Key i at keys + i * key_stride.
  const float* values = nullptr;
  int64_t key_stride = 0, value_stride = 0;
  int64_t first_key = 0, n_keys = 0;  ///< Visible: first_key .. n_keys - 1.
  float scale = 1, softcap = 0;
  const float* slopes =
      nullptr;              ///< [n_queries] ALiBi, or null: adds slope * (key - (n_keys - 1)).
  float* scores = nullptr;  ///< Scratch [n_queries, n_keys].
  float* out = nullptr;     ///< [n_queries, d_head]
};

enum class GateKind { kSilu, kGeluTanh };

/// From dy = d loss / d out of `gated` to dgate and, unless `up` is null, dup. dgate may be dy.
struct GatedGradientTask {
  const float* gate = nullptr;
  const float* up = nullptr;
  const float* dy = nullptr;
  int64_t n = 0;
  GateKind kind = GateKind::kSilu;
  float* dgate = nullptr;
  float* dup = nullptr;
};

struct RmsGradientTask {
  const float* x = nullptr;
  const float* dy = nullptr;
  int64_t n = 0;
  const float* gain = nullptr;  ///< May be null.
  float offset = 0, eps = 0;
  float* dx = nullptr;
  float* dgain = nullptr;
};

/// One update of parameters by Adam (weir/train/adam.h), all of it in one pass.
struct AdamTask {
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* mean = nullptr;
  float* square = nullptr;
  float* largest = nullptr;  ///< AMSGrad's; null: none.
  int64_t n = 0;
  float sign = 1;                           ///< Of the gradient: -1 goes uphill.
  float shrink = 1;                         ///< The parameter is multiplied by it first.
  float pull = 0;                           ///< Times the parameter, added to the gradient.
  float mean_kept = 0, mean_taken = 0;      ///< beta1, 1 - beta1
  float square_kept = 0, square_taken = 0;  ///< beta2, 1 - beta2
  float step = 0;                           ///< rate / (1 - beta1^t)
  float root_factor = 1;                    ///< 1 / sqrt(1 - beta2^t)
  float eps = 0;
};

/// Rows of a matrix that are chosen by number.
struct ChosenRows {
  const float* rows = nullptr;  ///< Row i at rows + i * stride.
  int64_t stride = 0, n = 0;    ///< n: numbers in a row.
  const int32_t* ids = nullptr;
  int64_t k = 0;
};

/// The functions of one instruction set.
struct KernelTable {
  Isa isa = Isa::kScalar;
  FormatKernels f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k;

  /// z += bias (may be null), then cap * tanh(z / cap) unless cap is 0; returns the largest.
  float (*finish_logits)(float* z, int64_t n, const float* bias, float cap);
  /// `exponentials` [n], unless null, receives exp(z - max).
  ExponentialSums (*exponential_sums)(const float* z, int64_t n, float max, float* exponentials);
  /// sum of e (a - b).
  float (*weighted_difference)(const float* e, const float* a, const float* b, int64_t n);
  /// z = (exp(z - logsumexp) (constant - slope z) + target weights) (1 - (z / softcap)^2).
  void (*score_gradient)(float* z, int64_t n, const ScoreGradient& of);
  int64_t (*count_greater)(const float* z, int64_t n, float threshold);
  /// Offers z[i] as token first_id + i.
  void (*offer_top)(const float* z, int64_t n, int64_t first_id, const TopCandidates& top);

  void (*attention_weights)(const WeightTask& task);
  void (*attention_weight_gradients)(const WeightGradientTask& task);
  void (*decode_attention)(const DecodeTask& task);
  /// out = softmax(x); zeros where every x is -inf.
  void (*softmax)(const float* x, int64_t n, float* out);
  /// out = x * (gain + offset) / sqrt(mean(x^2) + eps); gain may be null. out may be x.
  void (*rms_norm)(const float* x, int64_t n, const float* gain, float offset, float eps,
                   float* out);
  /// From dy = d loss / d out of rms_norm to dx; adds d loss / d gain to dgain unless that is null.
  void (*rms_norm_gradient)(const RmsGradientTask& task);
  /// out = act(gate) * up; without `up` (null) act(gate). out may be gate or up.
  void (*gated)(const float* gate, const float* up, int64_t n, GateKind kind, float* out);
  void (*gated_gradient)(const GatedGradientTask& task);
  /// Turns pairs (i, i + n/2) of x[0, n) by the angles given as cos, sin [n/2], in place.
  void (*rotate_half)(float* x, int64_t n, const float* cos, const float* sin);

  float (*dot)(const float* a, const float* b, int64_t n);
  void (*adam)(const AdamTask& task);

  /// out [n] += sum_k weights[k] row[k].
  void (*add_rows)(const ChosenRows& rows, const float* weights, float* out);
  /// out[k] = row[k] . x
  void (*row_dots)(const ChosenRows& rows, const float* x, float* out);
  /// Ascending ids of z > threshold into ids [n]; how many there are.
  int64_t (*find_greater)(const float* z, int64_t n, float threshold, int32_t* ids);

  const FormatKernels* format(io::DType dtype) const;
};

/// The best table this CPU can run, or the one that the environment variable WEIR_KERNELS names
/// (scalar, AVX2, AVX-512; kInvalidArgument for others): how tests take the lower paths.
const KernelTable& best();
/// Every table this CPU can run, the scalar one first.
std::vector<const KernelTable*> available();
std::string_view to_string(Isa isa);

}  // namespace weir::kernels
