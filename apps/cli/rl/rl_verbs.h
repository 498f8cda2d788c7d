#pragma once

#include "apps/cli/verb.h"

/// The verbs of `weir rl`, one file each.
namespace weir::cli {

void add_rl_verify(Verb& rl);
void add_rl_loss(Verb& rl);
void add_rl_policy(Verb& rl);
void add_rl_train(Verb& rl);
void add_rl_eval(Verb& rl);

}  // namespace weir::cli
