#pragma once

#include "apps/cli/verb.h"

/// One function a verb or group, each in its own file. A new verb is a file, a line here and a line
/// in cli.cpp (docs/how-to/verb.md).
namespace weir::cli {

void add_lens(Verb& weir);
void add_train(Verb& weir);
void add_tuned_lens(Verb& weir);
void add_policies(Verb& weir);
void add_attribute(Verb& weir);
void add_heads(Verb& weir);
void add_channels(Verb& weir);
void add_subnet(Verb& weir);
void add_embed(Verb& weir);
void add_rl(Verb& weir);
void add_sae(Verb& weir);
void add_ablate(Verb& weir);
void add_knockout(Verb& weir);
void add_trace(Verb& weir);
void add_steer(Verb& weir);
void add_recall(Verb& weir);
void add_patch(Verb& weir);
void add_inspect(Verb& weir);
void add_tokenize(Verb& weir);
void add_tasks(Verb& weir);
void add_data(Verb& weir);
void add_bench(Verb& weir);
void add_run(Verb& weir);
void add_generate(Verb& weir);
void add_chat(Verb& weir);
void add_models(Verb& weir);
void add_completion(Verb& weir);
/// What programs ask, not people: hidden.
void add_oracle(Verb& weir);

}  // namespace weir::cli
