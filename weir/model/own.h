#pragma once

#include <string>
#include <vector>

#include <c10/core/ScalarType.h>

#include "weir/model/loader.h"

/// A model that may be written to: trained, edited in place, and saved by `save_hf` as it then is.
/// A loaded model's weights are views of its mapped file, which only may be read.
namespace weir {

/// The same model in memory of its own on the CPU: matrices dense in `dtype`, vectors and position
/// tables in float32 (float64 if `dtype` is), as a checkpoint of that dtype is loaded. The memory
/// is laid out as Hugging Face's tensors, and the weights are views of it; only projections whose
/// rows alternate in one tensor (GPT-NeoX, BLOOM) are separate and gathered when saved. A tied W_U
/// stays W_E. Works for edited and processed models too; their current values are taken.
LoadedModel own(const LoadedModel& model, at::ScalarType dtype = at::kFloat);

/// The parameters whose TransformerLens name matches one of `globs` ("*", "blocks.3.mlp.*") made
/// leaves that require gradients; all others stop requiring them. `Parameter::held` is the leaf.
/// A tied table counts once, as "embed.W_E"; "unembed.W_U" names it too. The functions refer to
/// `model.weights`, which must outlive them and is what a forward must be given.
///
/// kInvalidArgument for a model that is not its own memory (own) and for parameters that are no
/// dense floating point tensors; kNotFound for a glob that matches nothing.
std::vector<Parameter> trainable(LoadedModel& model, const std::vector<std::string>& globs);

}  // namespace weir
