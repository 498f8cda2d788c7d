#pragma once

#include <string>
#include <vector>

#include "apps/cli/verb.h"
#include "weir/lm/generate.h"

namespace weir::cli {

/// How to sample, as `generate` and `chat` take it.
struct GenerationOptions {
  int64_t max_new = 256;
  SamplingOptions sampling;
  std::vector<std::string> stop;
  std::string intervene;
};
void add_generation_options(Verb& verb, GenerationOptions& options);
GenerateOptions to_generate_options(const GenerationOptions& options);

}  // namespace weir::cli
