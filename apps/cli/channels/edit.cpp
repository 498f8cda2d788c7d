#include "weir/channels/edit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"

namespace weir::cli {
namespace {

struct EditVerb {
  ModelOptions model;
  OutputOptions output;
  std::string head, circuit = "ov", save;
  std::vector<std::string> components;
  double scale = 0;
  bool keep = false, edit_bias = false, no_fold = false, overwrite = false;
};

void edit(const EditVerb& verb) {
  ComponentEdit edit;
  edit.head = head_named(verb.head, "--head");
  edit.circuit = edited_circuit_of(verb.circuit);
  for (const std::string& word : verb.components) {
    require_usage(!word.empty() && word.size() < 6 &&
                      word.find_first_not_of("0123456789") == std::string::npos,
                  fmt::format("--components: expected numbers, found '{}'", word));
    edit.components.push_back(std::stoll(word));
  }
  edit.scale = verb.scale;
  edit.keep = verb.keep;
  edit.edit_bias = verb.edit_bias;
  const LanguageModel lm = load(verb.model);
  require_head(lm, edit.head, "--head");
  CircuitOptions circuits;
  circuits.fold = !verb.no_fold;
  save_edited(lm, edit_components(lm.source().weights, lm.config(), edit, circuits), verb.save,
              verb.overwrite);
  const auto scaled = scaled_components(edit, lm.config().d_head);
  show_document(
      {"Edited model",
       plain_provenance(),
       {TextBlock{"", fmt::format("{} of {} components of head {} ({}) times {:g}. Saved: {}",
                                  scaled.size(), lm.config().d_head, edit.head.name(), verb.circuit,
                                  edit.scale, verb.save)}}},
      verb.output,
      {{"folder", verb.save},
       {"head", edit.head.name()},
       {"circuit", verb.circuit},
       {"components", scaled},
       {"scale", edit.scale}});
}

}  // namespace

void add_channel_edit(Verb& channels) {
  auto options = std::make_shared<EditVerb>();
  Verb& verb = channels.verb(
      Heading::kChange,
      {"edit",
       "removes, scales or keeps components of a head and saves the model",
       "OV: what the head writes; qk: what its queries read; qk_augmented: scores with their "
       "biases "
       "(models without rotary embedding and shared keys). A folder that transformers loads.",
       {"weir channels edit smollm2-135m --head 20.0 --components 0,2 --scale 0 --save edited"}});
  add_model_options(verb, options->model);
  verb.option("--head", &options->head, "L.H", "The head")
      .required()
      .list("--components", &options->components, "I,...",
            "Components, in falling order of sigma from 0")
      .required()
      .option("--scale", &options->scale, "S", "0 removes them, 1 changes nothing")
      .flag("--keep", &options->keep, "Scale all the others instead")
      .choice("--circuit", &options->circuit, {"ov", "qk", "qk_augmented"}, "What is edited")
      .flag("--edit-bias", &options->edit_bias, "OV: also what the value bias adds")
      .flag("--no-fold", &options->no_fold,
            "Components of weights as stored, gains of norms not folded in")
      .flag("--overwrite", &options->overwrite, "Write into a folder that holds files");
  add_output_file(verb, "--save", &options->save, "OUT_DIR", "Where the model goes").required();
  add_output_options(verb, options->output);
  verb.run([options] { edit(*options); });
}

}  // namespace weir::cli
