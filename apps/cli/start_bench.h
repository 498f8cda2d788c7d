#pragma once

#include <filesystem>
#include <string>

#include "bench/bench.h"

namespace weir::cli {

/// From the start of a process to the first logits of 16 tokens and its end: this command is run
/// anew each time. Peak memory is that of the child.
bench::Bench start_bench();

/// What the child does: loads the model, runs 16 tokens, returns the largest last logit.
std::string first_logits(const std::filesystem::path& model);

}  // namespace weir::cli
