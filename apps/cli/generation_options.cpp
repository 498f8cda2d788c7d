#include "apps/cli/generation_options.h"

#include "apps/cli/command.h"

namespace weir::cli {

void add_generation_options(Verb& verb, GenerationOptions& options) {
  SamplingOptions& sampling = options.sampling;
  verb.option("--max-new", &options.max_new, "N", "Most tokens to generate", {0})
      .flag("--greedy", &sampling.greedy, "Always the most probable token")
      .option("--temperature", &sampling.temperature, "X", "Divides the logits; 0: greedy", {0})
      .option("--top-k", &sampling.top_k, "K", "Only the k most probable tokens; 0: all", {0})
      .option("--top-p", &sampling.top_p, "P", "Only the fewest tokens whose probabilities reach p",
              {0, 1, true})
      .option("--min-p", &sampling.min_p, "P",
              "Only tokens at least this fraction as probable as the most probable", {0, 1})
      .option("--repetition-penalty", &sampling.repetition_penalty, "X",
              "Over 1 makes tokens seen before less likely",
              {0, std::numeric_limits<double>::max(), true})
      .option("--seed", &sampling.seed, "N", "Of the random draws")
      .texts("--stop", &options.stop, "S",
             "Text that ends the generation; may be given several times")
      .option("--intervene", &options.intervene, "F",
              "Interventions to apply (see weir run --help)");
}

GenerateOptions to_generate_options(const GenerationOptions& options) {
  GenerateOptions result;
  result.max_new = options.max_new;
  result.sampling = options.sampling;
  result.stop_strings = options.stop;
  result.interventions = read_interventions(options.intervene);
  return result;
}

}  // namespace weir::cli
