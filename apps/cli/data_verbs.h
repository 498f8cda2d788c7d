#pragma once

#include "apps/cli/verb.h"

/// The verbs below `weir data`.
namespace weir::cli {

void add_data_info(Verb& data);
void add_data_sample(Verb& data);

}  // namespace weir::cli
