#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"

/// Which heads a feature of attention's output belongs to, from the weights alone. Kissane et al.,
/// "Interpreting Attention Layer Outputs with Sparse Autoencoders" (2406.17759), section on weight
/// attribution. H heads of width K, d_in = H K, blocks in head-major order.
namespace weir {

enum class HeadShare {
  kDecoder,   ///< ||W_dec[i, block h]||: the paper's
  kResidual,  ///< ||W_dec[i, block h] W_O^h||: what reaches the stream
  kEncoder,   ///< ||W_enc[block h, i]||: what is read
};

/// [F, H] in float64, rows sum to 1 (a row of zeros stays one). `W_O` [H K, D], for kResidual only.
/// kInvalidArgument when d_in is not a multiple of H.
at::Tensor head_shares(const Sae& sae, int64_t n_heads, HeadShare of = HeadShare::kDecoder,
                       const at::Tensor& W_O = {});

/// The k features with the largest share of each head, best first: [H][k]. With `frequency` [F]
/// only those that fire more often than `least`: the released code lists dead ones too.
std::vector<std::vector<int64_t>> top_features_of_heads(const at::Tensor& shares, int64_t k,
                                                        const at::Tensor& frequency = {},
                                                        double least = 1e-6);

/// How far two attributions agree, over all features and heads [n, H].
struct ShareAgreement {
  double pearson = 0, spearman = 0;
  double same_top_head = 0;  ///< Share of features.
};
ShareAgreement share_agreement(const at::Tensor& a, const at::Tensor& b);

}  // namespace weir
