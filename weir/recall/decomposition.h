#pragma once

#include <ATen/core/Tensor.h>

#include "weir/recall/least_squares.h"

/// An MLP's output m [N, D] at the last position of N prompts of one task, explained by the parts
/// c [N, J, D] of the stream that it reads (Lv et al. 2024, arXiv 2403.19521: "MLPs act as an
/// activation function over the heads"). The paper's estimator is not published in full; the forms
/// below are those that fit its description, M1 the default (docs/methods/factual-recall.md).
///
///   M1  one weight a part, a vector b for all prompts: PartsSums, in least_squares.h
///   M2  M1 on normed_parts: what the MLP reads after its norm
///   M3  one weight a part and coordinate: fit_each_coordinate
///   M4  a matrix a part, ridge: fit_matrices
///   M5  along one direction a prompt (an unembedding column): fit_along
///   M6  each prompt apart, over its coordinates: fit_each_prompt
///   M7  no regression: the derivative of norm and MLP (mlp_parts.h, linearise)
///
/// Everything is float64 whatever comes in.
namespace weir {

/// c as the MLP's norm scales it: (c_j - mean over D) / scale_n * gain; the mean stays without
/// `centre` (RMSNorm). scale [N], gain [D] (undefined: 1).
at::Tensor normed_parts(const at::Tensor& c, const at::Tensor& scale, const at::Tensor& gain,
                        bool centre);

struct CoordinateFit {
  at::Tensor w;              ///< [J, D]; 0 for parts that do not vary
  at::Tensor b;              ///< [D]
  at::Tensor r2_coordinate;  ///< [D]
  double r2 = 0;
};
CoordinateFit fit_each_coordinate(const at::Tensor& c, const at::Tensor& m);

struct MatrixFit {
  at::Tensor W;  ///< [J, D, D], rows outputs: m_k = sum_jl W[j, k, l] c_jl + b_k
  at::Tensor b;  ///< [D]
  double r2 = 0;
};
/// `ridge` > 0; b is not penalised. Solved in the space of prompts: N x N.
MatrixFit fit_matrices(const at::Tensor& c, const at::Tensor& m, double ridge);

/// <m_n, u_n> on <c_nj, u_n> with intercept; u [N, D].
ScalarFit fit_along(const at::Tensor& c, const at::Tensor& m, const at::Tensor& u);

struct PromptFits {
  at::Tensor w;          ///< [N, J]
  at::Tensor intercept;  ///< [N]
  at::Tensor r2;         ///< [N]
};
PromptFits fit_each_prompt(const at::Tensor& c, const at::Tensor& m);

}  // namespace weir
