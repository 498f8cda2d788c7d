#pragma once

#include <memory>

#include <nlohmann/json_fwd.hpp>

#include "weir/rl/verify/verifier.h"

namespace weir::rl {

/// A program of the user, started at the first use and kept running: for each batch it is sent one
/// JSON line a completion and must answer with as many lines within `seconds` (10) for the whole
/// batch. kUnavailable when it cannot be started, ends, says something else or takes too long (then
/// it is killed). Its stderr is ours; no shell is involved.
std::unique_ptr<Verifier> make_program_verifier(const nlohmann::json& settings);

}  // namespace weir::rl
