#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/hooks/hooks.h"
#include "weir/sae/kinds/sae.h"

namespace weir {

/// How a dictionary stands in a model's run.
struct SpliceOptions {
  /// Keep what the dictionary does not explain: x + decode(edited) - decode(latents), so that
  /// nothing but the edit changes the run, and without an edit x stays the very same numbers. Else
  /// the reconstruction takes the place of x.
  bool keep_error = false;
  /// What goes to the decoder, from what the encoder found: [..., F] -> [..., F]. See latent_edit.h
  /// for steering and ablation. Empty: the latents as they are.
  std::function<at::Tensor(const at::Tensor& latents)> edit;
  /// bool [B, T]: positions where it acts; the others keep x. Undefined: all.
  at::Tensor mask;
};

/// The hooks that put `sae` into a run, for RunOptions::hooks or generation: one at its hook; for a
/// transcoder one that reads and one that replaces what is written at its hook_out (there the error
/// is what the model's own layer adds). Works while generating, position by position.
///
///   SpliceOptions steer{true, [](const at::Tensor& f) {
///     return edit_latents(f, {{417, LatentEdit::Op::kAdd, 8}}); }};
///   RunOptions options;
///   options.hooks = splice(sae, steer);
///
/// kInvalidArgument when the dictionary does not say its hook, kUnsupported for crosscoders.
std::vector<NamedHook> splice(const Sae& sae, const SpliceOptions& options = {});

/// Where it writes: hook_out, or its hook.
const std::string& written_hook(const SaeConfig& config);
/// L of "blocks.L...."; nothing for other places, whatever a file names.
std::optional<int64_t> layer_of_hook(const std::string& hook);

}  // namespace weir
