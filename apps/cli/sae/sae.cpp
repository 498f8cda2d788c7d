#include "apps/cli/sae/sae_verbs.h"
#include "apps/cli/verbs.h"

namespace weir::cli {

void add_sae(Verb& weir) {
  Verb& sae = weir.verb(
      Heading::kLook,
      {"sae", "dictionaries of a model's activations (sparse autoencoders)",
       "A dictionary writes each activation as few of many directions, and the directions tend to "
       "mean something: harvest activations, train one, look at what its latents fire on. Reads "
       "the files of SAELens, dictionary_learning, sparsify, Gemma Scope, OpenAI and others."});
  add_sae_harvest(sae);
  add_sae_train(sae);
  add_sae_dashboard(sae);
  add_sae_info(sae);
  add_sae_encode(sae);
  add_sae_convert(sae);
  add_sae_match(sae);
  add_sae_heads(sae);
  add_sae_dfa(sae);
  add_sae_rdfa(sae);
  add_sae_eval(sae);
  add_sae_compare(sae);
  add_sae_synth(sae);
  add_sae_step(sae);
  add_sae_features(sae);
}

}  // namespace weir::cli
