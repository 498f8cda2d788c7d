#include "apps/cli/subnet/options.h"
#include "apps/cli/verbs.h"

namespace weir::cli {

void add_subnet(Verb& weir) {
  Verb& subnet = weir.verb(
      Heading::kLook, {"subnet", "finds the few weights that predict bigrams (2504.15471)",
                       "Masks of weights, neurons, heads, layers or singular components that make "
                       "a model predict like a table of n-grams, or like another model."});
  add_subnet_find(subnet);
  add_subnet_eval(subnet);
  add_subnet_compare(subnet);
  add_subnet_time(subnet);
  add_subnet_count(subnet);
  add_subnet_loss(subnet);
}

}  // namespace weir::cli
