#pragma once

#include <string>

#include "apps/cli/verb.h"

namespace weir::cli {

/// `--help` in the form of a manual page: NAME, SYNOPSIS, DESCRIPTION, VERBS, OPTIONS, EXAMPLES,
/// wrapped to the terminal.
std::string manual(const Verb& verb);

}  // namespace weir::cli
