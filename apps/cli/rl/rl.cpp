#include "apps/cli/rl/rl_verbs.h"
#include "apps/cli/verbs.h"

namespace weir::cli {

void add_rl(Verb& weir) {
  Verb& rl = weir.verb(
      Heading::kMake,
      {"rl", "trains models by rewards that can be checked, from a layer or whole (2512.19673)",
       "Answers are sampled, judged by a rule, and the model is changed towards those that were "
       "right: by its full policy (GRPO and its relatives), by a layer's, or by one after the "
       "other."});
  add_rl_train(rl);
  add_rl_eval(rl);
  add_rl_verify(rl);
  add_rl_loss(rl);
  add_rl_policy(rl);
}

}  // namespace weir::cli
