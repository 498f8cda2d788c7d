#pragma once

#include <ATen/core/Tensor.h>

#include "weir/lm/language_model.h"

namespace weir {

/// What heads attend to on repeated random tokens (Olsson et al. 2022), means over rows and
/// queries, [L, H]. Rows: begin, N random tokens, the same N again.
struct HeadScores {
  at::Tensor previous_token;      ///< A[i, i - 1], i >= 1
  at::Tensor duplicate_token;     ///< A[j, j - N], j in the second copy
  at::Tensor induction;           ///< A[j, j - N + 1]
  at::Tensor attention_to_first;  ///< A[i, 0], i >= 1
  at::Tensor entropy;             ///< Of a query's attention, nats
};
/// `tokens` int64 [B, begin + 2 N].
HeadScores head_scores(const LanguageModel& lm, const at::Tensor& tokens, int64_t half);

/// `n` rows for head_scores: BOS where the tokenizer has one, then `half` random ids twice, none of
/// them special. int64 [n, begin + 2 half]; the same seed gives the same rows.
at::Tensor repeated_rows(const LanguageModel& lm, int64_t n, int64_t half, uint64_t seed);

/// Sum of the real parts over the sum of the magnitudes of the eigenvalues of a square matrix; in
/// float64.
double eigenvalue_positivity(const at::Tensor& matrix);
/// That of each head's W_V W_O [L, H]: 1 for a head that copies (Elhage et al. 2021), through K x K
/// products.
at::Tensor ov_eigenvalue_positivity(const LanguageModel& lm);

}  // namespace weir
