#include <chrono>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/subnet/options.h"
#include "apps/cli/subnet/results.h"
#include "weir/subnet/controls.h"
#include "weir/subnet/subnet_report.h"
#include "weir/subnet/surprisal_file.h"
#include "weir/subnet/token_classes.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

struct EvalVerb {
  ModelOptions model;
  OutputOptions output;
  CorpusOptions corpus;
  TargetOptions target;
  std::string mask, circuit, save_surprisals;
  int64_t rows = 0, batch = 8;
  uint64_t seed = 0;
  bool ablate = false, geometry = false, cut = false;
};

void eval(const EvalVerb& verb) {
  const auto start = std::chrono::steady_clock::now();
  const LanguageModel lm = load(verb.model, "none", verb.output.is_kept());
  const Subnetwork mask = read_mask(verb.mask, lm);
  const MaskSpace space = space_of(lm, mask);
  const Weights weights = applied(space, mask);
  const Corpus corpus = open_corpus(verb.corpus, lm);
  const NamedTarget target =
      make_target(verb.target.target, verb.target, verb.model, lm, corpus, verb.corpus.corpus);
  const int64_t n_rows = verb.rows > 0 ? std::min(verb.rows, corpus.n_rows()) : corpus.n_rows();
  const at::Tensor tokens = corpus.rows(0, n_rows);
  EvaluationOptions options;
  options.batch = verb.batch;
  options.cut_vocabulary = verb.cut;
  const Transformer& transformer = lm.transformer();
  std::vector<NamedEvaluation> all;
  if (verb.ablate) {
    all = ablations(transformer, space, mask, tokens, *target.target, verb.seed, options);
  } else {
    all.push_back({"subnetwork", mask.active(),
                   evaluate(transformer, weights, tokens, *target.target, options)});
  }
  const NamedEvaluation& own = verb.ablate ? all[1] : all[0];
  if (!verb.save_surprisals.empty()) save_surprisals(own.of.surprisal, verb.save_surprisals);
  ordered_json document = evaluation_json(own);
  document["size"] = mask.size();
  document["active_share"] = static_cast<double>(mask.active()) / static_cast<double>(mask.size());
  document["unit"] = to_string(mask.unit);
  document["target"] = target.name;
  document["counts"] = target.counts;
  document["tokens"] = tokens.numel();
  document["active_by_matrix"] = counts_json(mask);
  document["share_by_type"] = share_by_kind(active_by_matrix(mask));
  document["share_by_layer"] = share_by_layer(active_by_matrix(mask));
  Report report{"Subnetwork", {}, {}};
  report.blocks.emplace_back(ablation_table(all, target.name));
  if (verb.ablate) {
    document["ablations"] = evaluations_json(all);
  }
  if (verb.ablate && lm.has_tokenizer()) {
    const auto classes = surprisal_by_class(tokens, own.of, all[0].of,
                                            [&](int64_t id) { return lm.token_text(id); });
    for (const ClassSurprisal& of : classes) {
      document["by_token_class"][of.name] = {{"tokens", of.n},
                                             {"target_bits", of.target},
                                             {"subnetwork_bits", of.subnetwork},
                                             {"full_bits", of.full}};
    }
    report.blocks.emplace_back(class_table(classes, target.name));
  }
  for (Block& block : place_blocks(mask)) report.blocks.push_back(std::move(block));
  report.blocks.emplace_back(surprisal_scatter(own.of, target.name));
  if (!verb.circuit.empty()) {
    const Subnetwork circuit = read_mask(verb.circuit, lm);
    const auto tests = necessity_and_sufficiency(transformer, space, circuit, mask, tokens,
                                                 *target.target, options);
    TableBlock table = ablation_table(tests, target.name);
    table.title = "Necessity and sufficiency";
    report.blocks.emplace_back(std::move(table));
    document["necessity_and_sufficiency"] = evaluations_json(tests);
  }
  if (verb.geometry) {
    const std::vector<std::pair<std::string, StreamGeometry>> geometries = {
        {"full", stream_geometry(lm, transformer.weights(), tokens)},
        {"subnetwork", stream_geometry(lm, weights, tokens)},
        {"shuffled", stream_geometry(lm, applied(space, shuffled(mask, verb.seed)), tokens)}};
    for (Block& block : geometry_blocks(geometries)) report.blocks.push_back(std::move(block));
    for (const auto& [name, geometry] : geometries) {
      document["geometry"][name] = geometry_json(geometry);
    }
    const Evaluation mapped =
        evaluate_stream(transformer, mapped_embeddings(lm, geometries[1].second.to_output[0]),
                        tokens, *target.target, options);
    document["embeddings_and_linear_map"] = evaluation_json({"linear map", 0, mapped});
  }
  report.provenance = provenance(lm, verb.model, seconds_since(start));
  report.provenance.seed = static_cast<int64_t>(verb.seed);
  show_document(report, verb.output, document);
}

}  // namespace

void add_subnet_eval(Verb& subnet) {
  auto options = std::make_shared<EvalVerb>();
  Verb& verb = subnet.verb(
      {"eval",
       "compares what a subnetwork predicts with its target",
       "A mask is a file of `subnet find`, tensors under Hugging Face's names (FILE:PREFIX), a "
       "released pickle, full, empty, random:SHARE or largest:SHARE. --json prints "
       "{surprisal_pearson, kl, active, active_by_matrix, ...}.",
       {"weir subnet eval gpt2 --mask mask.safetensors --corpus book.txt --counts counts.txt",
        "weir subnet eval gpt2 --mask mask.safetensors --corpus book.txt --ablate --geometry"}});
  add_model_options(verb, options->model);
  verb.option("--mask", &options->mask, "M", "What is kept").required();
  add_corpus_options(verb, options->corpus);
  add_target_options(verb, options->target);
  verb.option("--rows", &options->rows, "N", "Only the first N rows are evaluated; 0: all", {0})
      .option("--batch", &options->batch, "B", "Rows at once", {1})
      .option("--circuit", &options->circuit, "M",
              "Another mask, whose necessity and sufficiency beside this one are tested")
      .option("--seed", &options->seed, "S", "Of the shuffled mask")
      .flag("--ablate", &options->ablate, "Also the full model, the rest, and shuffled masks")
      .flag("--geometry", &options->geometry, "Also rotations and covariances of the stream")
      .flag("--cut-vocabulary", &options->cut, "Surprisals among the target's tokens alone");
  add_output_file(verb, "--save-surprisals", &options->save_surprisals, "F.npy",
                  "Where surprisals go, in bits");
  add_output_options(verb, options->output);
  verb.run([options] { eval(*options); });
}

}  // namespace weir::cli
