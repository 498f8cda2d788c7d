#include "apps/cli/generation_options.h"

#include <CLI/CLI.hpp>

#include "apps/cli/command.h"

namespace weir::cli {

void add_generation_options(CLI::App& verb, GenerationOptions& options) {
  SamplingOptions& sampling = options.sampling;
  verb.add_option("--max-new", options.max_new, "Most tokens to generate")
      ->type_name("N")
      ->capture_default_str();
  verb.add_flag("--greedy", sampling.greedy, "Always the most probable token");
  verb.add_option("--temperature", sampling.temperature, "Divides the logits")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--top-k", sampling.top_k, "Only the k most probable tokens; 0: all")
      ->type_name("K")
      ->capture_default_str();
  verb.add_option("--top-p", sampling.top_p, "Only the fewest tokens whose probabilities reach p")
      ->type_name("P")
      ->capture_default_str();
  verb.add_option("--min-p", sampling.min_p,
                  "Only tokens at least this fraction as probable as the "
                  "most probable")
      ->type_name("P")
      ->capture_default_str();
  verb.add_option("--repetition-penalty", sampling.repetition_penalty,
                  "Over 1 makes tokens seen before less likely")
      ->type_name("X")
      ->capture_default_str();
  verb.add_option("--seed", sampling.seed, "Of the random draws")
      ->type_name("N")
      ->capture_default_str();
  verb.add_option("--stop", options.stop,
                  "Text that ends the generation; may be given several times")
      ->type_name("S")
      ->allow_extra_args(false);
  verb.add_option("--intervene", options.intervene, "Interventions to apply (see weir run --help)")
      ->type_name("F");
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
