#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/sae_verbs.h"
#include "apps/cli/training_verb.h"
#include "weir/base/error.h"
#include "weir/data/activation_store.h"
#include "weir/data/tokenize.h"
#include "weir/sae/formats/sae_file.h"
#include "weir/sae/harvest/harvested_activations.h"
#include "weir/sae/training/sae_training.h"
#include "weir/store/model_store.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

// What activations are made of, while the training lasts.
struct Activations {
  std::unique_ptr<LanguageModel> lm;
  std::unique_ptr<data::TokenRows> rows;
  std::unique_ptr<data::ActivationSource> source;
  SaeTraining::Origin origin;
};

std::unique_ptr<data::ActivationSource> stored(Recipe& recipe,
                                               const std::filesystem::path& folder) {
  data::ReadOptions options;
  options.shuffle.seed = static_cast<uint64_t>(recipe.integer("data.seed", 0));
  options.first_row = recipe.integer("data.first_row", 0);
  options.n_rows = recipe.integer("data.rows", 0);
  recipe.leave("model");
  for (const char* key : {"text", "separator", "length", "prepend_bos", "skip_positions",
                          "max_norm", "buffer_contexts"}) {
    recipe.leave(std::string("data.") + key);
  }
  return std::make_unique<data::StoredActivations>(data::ActivationStore::open(folder), options);
}

data::TokenRows rows_of(Recipe& recipe, const LanguageModel& lm,
                        const std::filesystem::path& folder, const HarvestOptions& harvest,
                        int64_t length) {
  const std::vector<std::filesystem::path> files = recipe.paths("data.text");
  require(!files.empty(), "{}: expected data.text (files or a shard) or data.store, found none",
          recipe.name());
  data::TokenizeOptions tokenize;
  tokenize.text.separator = recipe.text("data.separator", "<|endoftext|>");
  tokenize.add_special = false;
  if (lm.tokenizer().special().eos) tokenize.end = data::end_of_text(lm.tokenizer());
  const bool is_shard = files.size() == 1 && data::is_shard(files[0]);
  const auto shard =
      is_shard ? data::TokenShard::open(files[0])
               : data::tokenize_once(files, lm.tokenizer(), folder / "corpus.shard", tokenize);
  require(shard->info().vocab_size <= lm.config().d_vocab,
          "{}: made with a vocabulary of {}, the model has {}", shard->path(),
          shard->info().vocab_size, lm.config().d_vocab);
  data::RowOptions row;
  row.length = corpus_row_length(length, harvest);
  row.packing = data::Packing::kStream;
  row.shuffle = true;
  row.seed = static_cast<uint64_t>(recipe.integer("data.seed", 0));
  return data::TokenRows({{std::make_shared<data::TokenStream>(shard), 1}}, row);
}

Activations streamed(Recipe& recipe, const std::filesystem::path& folder) {
  Activations made;
  const std::string name = recipe.text("model.from", "");
  require(!name.empty(), "{}: expected model.from or data.store, found neither", recipe.name());
  made.lm = std::make_unique<LanguageModel>(LanguageModel::load(resolve_model(name)));
  HarvestOptions harvest;
  harvest.names = recipe.texts("data.sites", {recipe.text("data.site", "")});
  require(!harvest.names[0].empty(), "{}: expected data.site, such as blocks.15.hook_resid_post",
          recipe.name());
  harvest.prepend_bos = recipe.flag("data.prepend_bos", false);
  harvest.skip_positions = recipe.integer("data.skip_positions", harvest.skip_positions);
  harvest.max_norm_multiple = recipe.number("data.max_norm", harvest.max_norm_multiple);
  const int64_t length = recipe.integer("data.length", 256, 2);
  made.rows = std::make_unique<data::TokenRows>(rows_of(recipe, *made.lm, folder, harvest, length));
  StreamOptions stream;
  stream.buffer_contexts = recipe.integer("data.buffer_contexts", 256, 1);
  stream.seed = static_cast<uint64_t>(recipe.integer("data.seed", 0));
  for (const char* key : {"first_row", "rows"}) recipe.leave(std::string("data.") + key);
  made.source = std::make_unique<HarvestedActivations>(*made.lm, *made.rows, harvest, stream);
  made.origin = {name, length, harvest.prepend_bos};
  return made;
}

Activations open_activations(Recipe& recipe, const std::filesystem::path& folder) {
  const std::vector<std::filesystem::path> store = recipe.paths("data.store");
  if (store.empty()) return streamed(recipe, folder);
  Activations made;
  made.source = stored(recipe, store[0]);
  return made;
}

Report outcome_report(const TrainingOutcome& outcome, const SaeTraining& training,
                      const RunDirectory& directory, ordered_json* dictionaries) {
  TableBlock table{
      "Dictionaries", {"name", "kind", "latents", "explained variance", "L0", "alive"}, {}, ""};
  const std::vector<HeldOutFigures> held_out = training.held_out();
  for (size_t i = 0; i < held_out.size(); ++i) {
    const SaeConfig& config = training.trainer(i).sae().config;
    const HeldOutFigures& of = held_out[i];
    table.rows.push_back(
        {of.name, config.kind, config.d_sae, of.explained_variance, of.l0, of.alive});
    const auto folder = directory.checkpoint(outcome.steps) / of.name;
    dictionaries->push_back({{"name", of.name},
                             {"kind", config.kind},
                             {"d_sae", config.d_sae},
                             {"explained_variance", of.explained_variance},
                             {"l0", of.l0},
                             {"alive", of.alive},
                             {"folder", folder.string()}});
  }
  table.note =
      "on rows that no update saw; dictionaries: " + directory.checkpoint(outcome.steps).string();
  return {"Dictionaries trained", plain_provenance(), {std::move(table)}};
}

void save_dictionary(const Sae& sae, const std::filesystem::path& folder) { save_sae(sae, folder); }

void train_verb(const TrainingVerb& verb) {
  run_training_verb(verb, [&](Recipe& recipe, RunDirectory& directory,
                              const std::shared_ptr<ProcessGroup>& group) {
    Activations activations = open_activations(recipe, directory.data());
    SaeTraining training(recipe, std::move(activations.source), activations.origin, save_dictionary,
                         group);
    begin_training(verb, recipe, directory, group);
    const TrainingOutcome outcome =
        run_training(training, directory, told(training.options(), recipe.name()));
    if (!directory.is_writer()) return;
    ordered_json dictionaries = ordered_json::array();
    Report report = outcome_report(outcome, training, directory, &dictionaries);
    show(std::move(report), verb.output,
         {{"steps", outcome.steps},
          {"tokens", outcome.units},
          {"loss", outcome.loss},
          {"seconds", outcome.seconds},
          {"dictionaries", dictionaries}});
  });
}

}  // namespace

void add_sae_train(Verb& sae) {
  auto options = std::make_shared<TrainingVerb>();
  Verb& verb = sae.verb(
      {"train",
       "trains dictionaries on a model's activations",
       "A recipe is a TOML file (docs/methods/saes.md): where activations come from, and a table "
       "[sae.NAME] for each dictionary; all share each batch. DIR gets recipe.toml, metrics.jsonl, "
       "checkpoints with a folder for each dictionary, report.html with loss, explained variance, "
       "L0 and living latents (open it while it runs) and result.json. Ctrl-C saves first. "
       "--resume "
       "goes on from the last checkpoint, to the same numbers on as many threads.",
       {"weir sae train recipes/smollm2.toml --out dictionaries",
        "weir sae train recipes/smollm2.toml --out more --set sae.topk.k=64 --set train.steps=100",
        "weir sae train --resume dictionaries"}});
  add_training_options(verb, *options);
  verb.run([options] { train_verb(*options); });
}

}  // namespace weir::cli
