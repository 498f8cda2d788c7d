#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/interventions_file.h"
#include "apps/cli/prompt_source.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/lm/token_batch.h"
#include "weir/patch/steering.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct SteerVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  int64_t layer = 0;
  double alpha = 1;
  bool at_end = false;
  std::string role = "end", save;
};

/// Where the role of each partner stands: the partner's own, or that of the clean row.
at::Tensor partner_positions(const PromptSet& set, const std::string& role) {
  PromptSet partners = set;
  for (Prompt& prompt : partners.prompts) {
    const auto roles = prompt.clean.roles;
    prompt.clean = prompt.corrupt;
    for (const auto& [name, place] : roles) prompt.clean.roles.emplace(name, place);
  }
  return partners.positions(role);
}

void steer(const SteerVerb& verb) {
  const LanguageModel lm = load(verb.model);
  const PromptSet set = read_prompts(verb.prompts, lm);
  require_usage(
      verb.layer < lm.config().n_layers,
      fmt::format("--layer: expected 0 to {}, found {}", lm.config().n_layers - 1, verb.layer));
  const at::Tensor vector =
      steering_vector(lm, left_pad(set.clean_rows()), set.positions(verb.role),
                      left_pad(set.corrupt_rows()), partner_positions(set, verb.role), verb.layer);
  save_interventions({steering(vector, verb.layer, verb.alpha, verb.at_end)}, verb.save, {},
                     {{"layer", std::to_string(verb.layer)}, {"task", set.task}});
  const auto length = vector.norm().item<double>();
  Report report{
      "Steering vector",
      plain_provenance(),
      {TextBlock{"", fmt::format("Mean of {} prompts of {} minus mean of their partners at {}, "
                                 "entering layer {}: length {:.3f}. Use it: --intervene {}",
                                 set.size(), set.task, verb.role, verb.layer, length, verb.save)}}};
  show_document(
      report, verb.output,
      {{"file", verb.save}, {"layer", verb.layer}, {"length", length}, {"n", set.size()}});
}

}  // namespace

void add_steer(Verb& weir) {
  auto options = std::make_shared<SteerVerb>();
  Verb& verb =
      weir.verb(Heading::kChange,
                {"steer",
                 "makes a steering vector of two kinds of prompts, for --intervene",
                 "Difference of means of the stream entering a layer, between prompts and their "
                 "partners. The "
                 "file works in run, generate, lens and every verb that takes interventions.",
                 {"weir steer smollm2-135m --task ioi --corruption flip --layer 15 --alpha 2 "
                  "--save steer.json",
                  "weir generate smollm2-135m 'Hello' --intervene steer.json"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.option("--layer", &options->layer, "L", "The layer whose input is steered", {0})
      .required()
      .option("--role", &options->role, "R", "The token that is read: end, subject_last, ...")
      .option("--alpha", &options->alpha, "A", "Factor of the vector")
      .flag("--end", &options->at_end, "Add it at the prompt's last token alone");
  add_output_file(verb, "--save", &options->save, "F.json", "Where the intervention goes")
      .required();
  add_output_options(verb, options->output);
  verb.run([options] { steer(*options); });
}

}  // namespace weir::cli
