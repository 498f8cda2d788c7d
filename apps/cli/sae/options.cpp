#include "apps/cli/sae/options.h"

#include <fmt/format.h>

namespace weir::cli {

void add_sae_options(Verb& verb, SaeOptions& options) {
  verb.argument("SAE", &options.sae, "A dictionary: its folder, or the file of its tensors");
  verb.option("--format", &options.format, "NAME", "Its format, when the content leaves it open")
      .option("--kind", &options.kind, "NAME", "Its kind, for tensors without a configuration")
      .option("--k", &options.k, "K", "Latents a token, when the file does not say", {0})
      .option("--hook", &options.hook, "NAME",
              "The activation it reads, when the file does not say")
      .choice("--b-dec-in", &options.b_dec_in, {"yes", "no"},
              "Whether b_dec is subtracted from the input, when the file does not say")
      .option("--dtype", &options.dtype, "TYPE", "Compute in this type, not in the file's")
      .flag("--scale-threshold", &options.scale_threshold,
            "Llama Scope: the threshold times the scale, as SAELens reads it");
}

SaeFile load(const SaeOptions& options) {
  LoadSaeOptions load;
  load.format = options.format;
  load.kind = options.kind;
  load.hook = options.hook;
  load.dtype = options.dtype;
  if (options.k > 0) load.k = options.k;
  if (!options.b_dec_in.empty()) load.apply_b_dec_to_input = options.b_dec_in == "yes";
  load.scale_llama_scope_threshold = options.scale_threshold;
  return load_sae(options.sae, load);
}

}  // namespace weir::cli
