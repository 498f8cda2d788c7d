#include <chrono>
#include <filesystem>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/base/progress.h"
#include "weir/lens/tuned_lens_training.h"
#include "weir/report/layer_blocks.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kHeldOut = 0.1;  // Of the rows: the last ones are only evaluated.

struct TrainVerb {
  ModelOptions model;
  OutputOptions output;
  TextOptions text;
  std::string save, loss = "kl", optimizer = "sgd";
  int64_t steps = 250, warmup = 0, batch = 4, length = 64;
  uint64_t seed = 0;
  double scale = 1;
  bool bias_only = false, resume = false;
};

/// Trains to the end; what was learnt is saved in any case.
void train_all(TunedLensTrainer* trainer, const TrainVerb& verb, const at::Tensor& rows) {
  Progress progress("tuned lens", static_cast<uint64_t>(verb.steps), "steps");
  progress.set(static_cast<uint64_t>(trainer->steps_done()));
  try {
    while (trainer->steps_done() < verb.steps) {
      trainer->step(rows_of_step(rows, trainer->steps_done(), verb.batch, verb.seed));
      progress.advance(1);
    }
  } catch (...) {
    trainer->save(verb.save);
    throw;
  }
  trainer->save(verb.save);
}

/// float64 [L]: mean KL(model || lens) over the rows.
at::Tensor evaluated(const LanguageModel& lm, const TunedLens& lens, const at::Tensor& rows,
                     int64_t batch) {
  at::Tensor sum = at::zeros({lens.n_layers()}, at::kDouble);
  for (int64_t first = 0; first < rows.size(0); first += batch) {
    TokenBatch part;
    part.tokens = rows.slice(0, first, first + batch);
    sum += tuned_lens_losses(lm, lens, part, {}).loss * part.tokens.size(0);
  }
  return sum / rows.size(0);
}

void train(const TrainVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const std::string text = read_some_text(verb.text);
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const at::Tensor rows = token_rows(lm.tokenizer().encode(text).ids, verb.length);
  const int64_t n_held = static_cast<int64_t>(kHeldOut * static_cast<double>(rows.size(0))) + 1;
  require_usage(n_held < rows.size(0),
                fmt::format("expected a text of at least two rows of {} tokens", verb.length));
  const at::Tensor held = rows.slice(0, -n_held), learnt = rows.slice(0, 0, -n_held);
  TunedLensTraining options;
  options.loss = lens_loss_of(verb.loss);
  options.shift = options.loss == LensLoss::kCe ? 1 : 0;
  options.steps = verb.steps;
  options.warmup = verb.warmup;
  options.adam = verb.optimizer == "adam";
  options.rate_scale = verb.scale;
  options.bias_only = verb.bias_only;
  TunedLens zero = zero_tuned_lens(lm);
  zero.base_model = verb.model.model;
  TunedLensTrainer trainer(lm, zero, options);
  if (verb.resume) trainer.resume(verb.save);
  train_all(&trainer, verb, learnt);

  const auto before = to_doubles(evaluated(lm, zero, held, verb.batch));
  const auto after = to_doubles(evaluated(lm, trainer.lens(), held, verb.batch));
  CurvesBlock curves =
      layer_curves("Distance to the model by layer, on text held out", "KL(model || lens) (nats)",
                   {{"logit lens", before}, {"tuned lens", after}});
  curves.x_label = "block that the stream enters";
  TableBlock table{curves.title, {"block", "logit lens", "tuned lens"}, {}, ""};
  for (size_t l = 0; l < before.size(); ++l) {
    table.rows.push_back({static_cast<int64_t>(l), before[l], after[l]});
  }
  table.note = fmt::format("nats, means over {} tokens", held.numel());
  Report report{"Tuned lens", {}, {std::move(table), std::move(curves)}};
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.seed);
  show(std::move(report), verb.output,
       {{"axes", {"layer"}},
        {"unit", "nats"},
        {"steps", trainer.steps_done()},
        {"tokens", held.numel()},
        {"logit_lens_kl", before},
        {"tuned_lens_kl", after},
        {"save", verb.save}});
}

}  // namespace

void add_tuned_lens(Verb& weir) {
  Verb& group = weir.verb(Heading::kMake, {"tuned-lens", "trains a tuned lens on a text", "", {}});
  auto options = std::make_shared<TrainVerb>();
  Verb& verb = group.verb(
      {"train",
       "learns an affine map for the input of every block (2303.08112)",
       "The folder that is saved can be given to `weir lens --tuned` and to the public package. A "
       "training that is stopped saves what was learnt; --resume goes on with the same options. "
       "The "
       "last tenth of the text is held out, to compare with the logit lens.",
       {"weir tuned-lens train smollm2-135m --text-file book.txt --save lens"}});
  add_model_options(verb, options->model);
  add_text_options(verb, options->text, "--text", "The text to learn from; - reads stdin");
  verb.option("--save", &options->save, "DIR", "Where the lens goes").required();
  verb.choice("--loss", &options->loss, {"kl", "ce"}, "Distance to the model, or to the text")
      .choice("--optimizer", &options->optimizer, {"sgd", "adam"}, "How it is learnt")
      .option("--steps", &options->steps, "N", "Steps of training", {1})
      .option("--warmup", &options->warmup, "N", "Steps in which the rate rises", {0})
      .option("--rate-scale", &options->scale, "X", "Factor of the learning rate", {0})
      .option("--batch", &options->batch, "B", "Rows of a step", {1})
      .option("--length", &options->length, "T", "Tokens of a row", {2})
      .option("--seed", &options->seed, "S", "Order of the rows")
      .flag("--bias-only", &options->bias_only, "Learn biases alone")
      .flag("--resume", &options->resume, "Go on from what --save holds");
  add_output_options(verb, options->output);
  verb.run([options] { train(*options); });
}

}  // namespace weir::cli
