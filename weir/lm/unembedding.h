#pragma once

#include <ATen/core/Tensor.h>

#include "weir/model/transformer.h"
#include "weir/tensor/vocab_loss.h"
#include "weir/tensor/vocab_stats.h"

namespace weir {

/// What W_U reads: the model's final norm of residual [..., D] (itself, where there is none).
at::Tensor final_normed(const ModelConfig& config, const Weights& weights,
                        const at::Tensor& residual);

/// What it divides residual [..., D] by, [...]; 1 where there is no final norm.
at::Tensor final_scale(const ModelConfig& config, const Weights& weights,
                       const at::Tensor& residual);

/// Statistics of softmax(softcap(x W_U + b_U)) for rows x [N, D] (already normed), never holding
/// [N, V]. The cap is the model's; VocabStatsOptions::softcap is set here.
VocabStats unembedding_stats(const ModelConfig& config, const Weights& weights, const at::Tensor& x,
                             VocabStatsOptions options);
/// Their scores with gradients; VocabScoreOptions::softcap is set here.
VocabScores unembedding_scores(const ModelConfig& config, const Weights& weights,
                               const at::Tensor& x, VocabScoreOptions options);

}  // namespace weir
