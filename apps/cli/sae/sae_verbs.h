#pragma once

#include "apps/cli/verb.h"

/// The verbs below `weir sae`, each in its own file.
namespace weir::cli {

void add_sae_harvest(Verb& sae);
void add_sae_dashboard(Verb& sae);
void add_sae_info(Verb& sae);
void add_sae_encode(Verb& sae);
void add_sae_convert(Verb& sae);
void add_sae_match(Verb& sae);
void add_sae_heads(Verb& sae);
void add_sae_dfa(Verb& sae);
void add_sae_rdfa(Verb& sae);
void add_sae_eval(Verb& sae);
void add_sae_compare(Verb& sae);
void add_sae_synth(Verb& sae);
void add_sae_step(Verb& sae);
void add_sae_train(Verb& sae);
void add_sae_features(Verb& sae);

}  // namespace weir::cli
