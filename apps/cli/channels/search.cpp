#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "apps/cli/interventions_file.h"
#include "apps/cli/prompt_source.h"
#include "weir/base/progress.h"
#include "weir/channels/improve.h"
#include "weir/model/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct SearchVerb {
  ModelOptions model;
  OutputOptions output;
  PromptOptions prompts;
  EditSearchOptions search;
  int64_t controls = 1;
  std::string save;
  bool overwrite = false;
};

void search(const SearchVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const PromptSet all = read_prompts(verb.prompts, lm);
  require_usage(all.size() >= 4, "-n: expected at least 4 prompts, half of which are chosen on");
  const auto [dev, test] = split(all, all.size() / 2);
  EditSearchOptions options = verb.search;
  Progress progress("search", static_cast<uint64_t>(options.n_steps * (1 + verb.controls)),
                    "steps");
  options.seen = [&](int64_t, double accuracy, double loss) {
    progress.note(fmt::format("accuracy {:.3f}, loss {:+.2f} %", accuracy, 100 * loss));
    progress.advance();
  };
  const ImprovedWeights improved =
      improve_weights(lm, dev, test, options, verb.controls, verb.prompts.task.seed);
  if (!verb.save.empty() && options.last_only) {
    save_interventions(
        steer_components(lm.transformer().weights(), lm.config(), improved.search.scales),
        verb.save, {}, {{"task", all.task}});
  } else if (!verb.save.empty()) {
    save_scaled(lm, improved.search.scales, verb.save, verb.overwrite);
  }
  Report report{fmt::format("{} for {}", options.last_only ? "Steering" : "Weights", all.task),
                provenance(lm, verb.model, seconds_since(start)), improvement_blocks(improved)};
  show(std::move(report), verb.output, improvement_json(improved));
}

}  // namespace

nlohmann::ordered_json improvement_json(const ImprovedWeights& improved) {
  ordered_json result = {
      {"baseline", to_json(improved.baseline)}, {"edited", to_json(improved.edited)},
      {"gain", to_json(improved.gain)},         {"loss_increase", improved.search.loss_increase},
      {"by_place", improved.by_place},          {"baseline_by_place", improved.baseline_by_place}};
  result["components"] = ordered_json::object();
  for (const ComponentScale& one : improved.search.scales)
    result["components"][one.component.name()] = one.scale;
  result["controls"] = ordered_json::array();
  for (size_t i = 0; i < improved.control_gains.size(); ++i) {
    result["controls"].push_back({{"gain", to_json(improved.control_gains[i])},
                                  {"loss_increase", improved.control_losses[i]}});
  }
  return result;
}

void save_edited(const LanguageModel& lm, Weights weights, const std::string& folder,
                 bool overwrite) {
  LoadedModel edited = lm.source();
  edited.weights = std::move(weights);
  SaveOptions options;
  options.overwrite = overwrite;
  if (lm.has_tokenizer()) {
    options.also = [&lm](const std::filesystem::path& to) { lm.tokenizer().save(to); };
  }
  save_hf(edited, folder, options);
}

void save_scaled(const LanguageModel& lm, const std::vector<ComponentScale>& scales,
                 const std::string& folder, bool overwrite) {
  save_edited(lm, scale_components(lm.source().weights, lm.config(), scales), folder, overwrite);
}

void add_channel_search(Verb& channels) {
  auto options = std::make_shared<SearchVerb>();
  Verb& verb = channels.verb(
      Heading::kChange,
      {"search",
       "finds an edit of the weights that makes the model better at a task, and saves it",
       "Factors of singular components of what heads write, by gradient, on half of the prompts, "
       "within a bound on the loss of neutral text; scored on the other half, beside random "
       "components searched the same way. The folder is one that transformers loads. With --steer "
       "the factors act at the last position alone and the weights stay: --save F.json is what "
       "--intervene takes.",
       {"weir channels search smollm2-135m --task laundry-list --variant odd-6 -n 400 --save "
        "better",
        "weir channels search smollm2-135m --task laundry-list --variant odd-6 -n 400 --steer "
        "--save steer.json"}});
  add_model_options(verb, options->model);
  add_prompt_options(verb, options->prompts);
  verb.option("--components", &options->search.n_components, "N", "Components that may change", {1})
      .option("--first-layer", &options->search.first_layer, "L",
              "Heads from here on (-1: the upper half)", {-1})
      .option("--steps", &options->search.n_steps, "N", "Steps of the search", {1})
      .option("--batch", &options->search.n_prompts, "N", "Prompts a step", {1})
      .option("--rate", &options->search.rate, "R", "Largest change of a factor in a step", {0, 10})
      .option("--most-loss", &options->search.most_loss_increase, "S",
              "Rise of the loss on neutral text that is allowed, as a share", {0, 10})
      .flag("--steer", &options->search.last_only,
            "Factors at the last position of a prompt, not in the weights")
      .option("--controls", &options->controls, "N", "Sets of random components beside it", {0})
      .flag("--overwrite", &options->overwrite, "Write into a folder that holds files");
  add_output_file(verb, "--save", &options->save, "OUT",
                  "Where the edited model goes: a folder; with --steer F.json");
  add_output_options(verb, options->output);
  verb.run([options] { search(*options); });
}

}  // namespace weir::cli
