#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/report/report.h"
#include "weir/sae/formats/sae_config_json.h"

namespace weir::cli {
namespace {

struct InfoVerb {
  SaeOptions sae;
  OutputOptions output;
};

nlohmann::ordered_json norms_of(const Sae& sae) {
  const at::Tensor norms = decoder_norms(sae).to(at::kDouble);
  return {{"min", norms.min().item<double>()},
          {"mean", norms.mean().item<double>()},
          {"max", norms.max().item<double>()}};
}

void info(const InfoVerb& verb) {
  const SaeFile file = load(verb.sae);
  nlohmann::ordered_json document = to_json(file.sae.config);
  document["format"] = file.format;
  document["file"] = file.file.string();
  document["decoder_norms"] = norms_of(file.sae);
  TableBlock settings{"Dictionary", {"setting", "value"}, {}, ""};
  for (const auto& [key, value] : document.items()) {
    const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
    if (text.empty() || text == "null" || text == "[]" || value.is_object()) continue;
    settings.rows.push_back({key, text});
  }
  TableBlock weights{"Weights", {"name", "shape", "norm"}, {}, ""};
  for (const auto& [name, tensor] : file.sae.weights) {
    const std::vector<int64_t> shape = tensor.sizes().vec();
    document["weights"][name] = shape;
    weights.rows.push_back({name, fmt::format("[{}]", fmt::join(shape, ", ")),
                            tensor.to(at::kDouble).norm().item<double>()});
  }
  document["notes"] = file.notes;
  for (const std::string& note : file.notes) {
    settings.note += (settings.note.empty() ? "" : "; ") + note;
  }
  show_document({"Dictionary", plain_provenance(), {std::move(settings), std::move(weights)}},
                verb.output, document);
}

}  // namespace

void add_sae_info(Verb& sae) {
  auto options = std::make_shared<InfoVerb>();
  Verb& verb = sae.verb({"info",
                         "says what a dictionary is: kind, sizes, the activation it reads",
                         "The format is found out from the content. --json prints {kind, format, "
                         "d_in, d_sae, k, hook, "
                         "normalisation, apply_b_dec_to_input, ..., weights, notes}.",
                         {"weir sae info gpt2-small-res-jb/blocks.8.hook_resid_pre --json",
                          "weir sae info Qwen3-1.7B-SAE/layer3.sae.pt --k 50"}});
  add_sae_options(verb, options->sae);
  add_output_options(verb, options->output);
  verb.run([options] { info(*options); });
}

}  // namespace weir::cli
