#pragma once

#include <optional>
#include <string>

#include "apps/cli/output.h"
#include "apps/cli/verb.h"
#include "weir/sae/formats/sae_file.h"

/// What the verbs of `weir sae` share.
namespace weir::cli {

struct SaeOptions {
  std::string sae, format, kind, b_dec_in, dtype;
  std::optional<std::string> hook;
  int64_t k = 0;
  bool scale_threshold = false;
};
/// SAE, and options for what a file may leave open.
void add_sae_options(Verb& verb, SaeOptions& options);
SaeFile load(const SaeOptions& options);

}  // namespace weir::cli
