#pragma once

#include <ATen/core/Tensor.h>

#include "weir/recall/final_reader.h"
#include "weir/recall/last_position.h"

/// Readings of b, the part of an MLP's output that is the same for all prompts of a task: does it
/// point to the task's answers, and does it act on them (2403.19521, function application).
namespace weir {

/// W_U as stored, or with the gain of the final norm in it (its bias left out).
enum class UnembeddingForm { kRaw, kFolded };

/// Logit lens of b, [V]: (b - mean b) / scale W_U; the mean stays for RMSNorm. `scale`: the mean
/// final scale of the prompts.
at::Tensor lens_of(const FinalReader& reader, const at::Tensor& b, double scale,
                   UnembeddingForm form);
/// cos(b, W_U[:, y] - mean over the vocabulary) for tokens y = `ids` [n].
at::Tensor cosines_with(const FinalReader& reader, const at::Tensor& b, const at::Tensor& ids,
                        UnembeddingForm form);

/// Logits [N, V] with the MLP's output at the last position replaced by `value` [N, D] or [D].
at::Tensor run_with_mlp_out(const LastPosition& last, int64_t layer, const at::Tensor& value);
/// Logits [N, V] with `vector` [D] added to it: transfer of b to other prompts, function vectors.
at::Tensor run_with_mlp_plus(const LastPosition& last, int64_t layer, const at::Tensor& vector);

}  // namespace weir
