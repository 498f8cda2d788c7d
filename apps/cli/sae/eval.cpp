#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/sae/evaluation_options.h"
#include "apps/cli/sae/options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/base/error.h"
#include "weir/sae/eval/eval_report.h"
#include "weir/sae/eval/superposition.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct SaeEvalVerb {
  SaeOptions sae;
  EvaluationOptions evaluation;
  OutputOptions output;
  std::string save, truth;
};

Superposition read_truth(const std::string& file) {
  const io::TensorMap tensors = read_tensors(file);
  return {to_tensor(tensors.at("directions")), to_tensor(tensors.at("sources")),
          to_tensor(tensors.at("x"))};
}

void save_all(const std::vector<ordered_json>& documents, const EvalSubject& subject,
              const std::string& folder) {
  for (const ordered_json& document : documents) save_eval(document, subject, folder);
}

/// Against known features; no model is needed.
void eval_truth(const SaeEvalVerb& verb, const SaeFile& file) {
  const RecoveryScores scores = recovery(file.sae, read_truth(verb.truth));
  const ordered_json metrics = {{"mcc", scores.mcc},           {"mcc_sources", scores.mcc_sources},
                                {"share_found", scores.found}, {"precision", scores.precision},
                                {"recall", scores.recall},     {"f1", scores.f1}};
  TableBlock table{"Known features", {"metric", "value"}, {}, ""};
  for (const auto& [key, value] : metrics.items()) {
    table.rows.push_back({key, value.get<double>()});
  }
  table.note = "Features paired one to one with decoder rows; one without a row counts 0";
  const EvalSubject subject = subject_of(file, "superposition");
  const ordered_json document =
      eval_document("weir_superposition", subject, file.sae, {{"dataset", verb.truth}},
                    {{"superposition", metrics}}, ordered_json::array(), nullptr);
  if (!verb.save.empty()) save_all({document}, subject, verb.save);
  show_document({"Dictionary against known features", plain_provenance(), {std::move(table)}},
                verb.output, {{"weir_superposition", document["eval_result_metrics"]}});
}

void eval(SaeEvalVerb verb) {
  const auto start = std::chrono::steady_clock::now();
  const SaeFile file = load(verb.sae);
  if (!verb.truth.empty()) return eval_truth(verb, file);
  const EvaluationInput input = open_evaluation(verb.evaluation, {file}, verb.output.is_kept());
  const EvalSubject subject = subject_of(file, verb.evaluation.model.model);
  const std::vector<SuiteResult> results =
      run_suite(input.lm, {&file.sae}, input.tokens, input.texts, input.suite);
  const auto documents =
      suite_documents(results[0], file.sae, subject, input.texts, input.corpus, input.suite);
  ordered_json metrics;
  for (const ordered_json& document : documents) {
    metrics[document["eval_type_id"].get<std::string>()] = document["eval_result_metrics"];
  }
  Report report{"Dictionary", provenance(input.lm, verb.evaluation.model, seconds_since(start)),
                evaluation_blocks(results[0], file.sae, subject.id, input.suite.seed)};
  report.provenance.seed = static_cast<int64_t>(verb.evaluation.seed);
  if (!verb.save.empty()) save_all(documents, subject, verb.save);
  show_document(report, verb.output, metrics);
}

}  // namespace

void add_sae_eval(Verb& sae) {
  auto options = std::make_shared<SaeEvalVerb>();
  Verb& verb = sae.verb(
      {"eval",
       "measures a dictionary as SAEBench does, with intervals",
       "core: reconstruction, sparsity, living latents, what the model's predictions lose; "
       "sparse_probing and sparse_probing_sae_probes: whether single latents tell labels apart; "
       "absorption: of first letters; mdl: bits a token; tpp and scr: for parity alone. "
       "--save writes SAEBench's JSON files; --json prints {EVALUATION: eval_result_metrics}.",
       {"weir sae eval dictionary --model smollm2-135m --text book.txt",
        "weir sae eval dictionary --text book.txt --evals core,absorption,sparse_probing --save "
        "results --html page.html",
        "weir sae eval dictionary --truth superposition.safetensors"}});
  add_sae_options(verb, options->sae);
  add_evaluation_options(verb, options->evaluation, {"core", "sparse_probing_sae_probes"});
  verb.option("--truth", &options->truth, "F.safetensors",
              "Known features instead of a model (weir sae synth)");
  verb.option("--save", &options->save, "DIR", "Where SAEBench's JSON files go");
  add_output_options(verb, options->output);
  verb.run([options] { eval(*options); });
}

}  // namespace weir::cli
