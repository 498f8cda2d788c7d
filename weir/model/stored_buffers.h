#pragma once

#include "weir/io/tensor_view.h"
#include "weir/model/config.h"

namespace weir {

/// Compares what a checkpoint stores beside its parameters with what the model computes from its
/// config: causal masks (`attn.bias`) and rotary frequencies (`rotary_emb.inv_freq`) of older
/// writers. The config counts, as in transformers; a difference is logged as a warning, once for
/// each kind.
void compare_buffers(const ModelConfig& config, const io::TensorMap& tensors);

}  // namespace weir
