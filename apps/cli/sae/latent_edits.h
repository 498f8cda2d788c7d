#pragma once

#include <string>
#include <vector>

#include "apps/cli/verb.h"
#include "weir/hooks/hooks.h"

namespace weir::cli {

/// --sae and --latent: steer or ablate latents of a dictionary while a model runs.
struct LatentEditOptions {
  std::string sae;
  std::vector<std::string> edits;
};
void add_latent_edit_options(Verb& verb, LatentEditOptions& options);
/// None when no dictionary is given.
std::vector<NamedHook> latent_edit_hooks(const LatentEditOptions& options);

}  // namespace weir::cli
