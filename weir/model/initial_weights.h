#pragma once

#include <cstdint>

#include <nlohmann/json_fwd.hpp>

#include "weir/model/loader.h"

namespace weir {

/// A new model of its own memory (own.h), ready to train and to save: every family's tensors, as
/// its config.json describes them, with the values that Hugging Face transformers 5.23 starts from
/// (`_init_weights` of PreTrainedModel and of the families):
///  - matrices and tables: normal, mean 0, std `initializer_range` (OPT: `init_std`; default 0.02);
///  - GPT-2's c_proj, which write to the stream: std / sqrt(2 n_layers) (Radford et al. 2019);
///  - biases 0; gains 1, or 0 where the gain is 1 + w (Gemma);
///  - the embedding of `pad_token_id` 0 in the families whose table has a padding row (not GPT-2,
///    GPT-Neo, GPT-NeoX, GPT-J, BLOOM). OPT's position table has two rows that no position uses.
///
/// The values depend on the seed, a tensor's name and its size only, not on threads, kernels or
/// other tensors. kUnsupported and kCorruptData as for `load_model`. (A ModelConfig alone does not
/// say which matrices have biases; the family's config.json does.)
LoadedModel initial_weights(const nlohmann::json& config_json, uint64_t seed);

}  // namespace weir
