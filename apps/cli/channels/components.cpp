#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/channels/channel_verbs.h"
#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct ComponentsVerb {
  ModelOptions model;
  OutputOptions output;
  std::string head, of = "ov", save;
  bool no_fold = false, biases = false;
};

void components(const ComponentsVerb& verb) {
  const HeadId head = head_named(verb.head, "--head");
  require_usage(verb.of == "qk" || !verb.biases, "--biases goes with --of qk");
  const LanguageModel lm = load(verb.model);
  require_head(lm, head, "--head");
  CircuitOptions options;
  options.fold = !verb.no_fold;
  options.dtype = lm.transformer().dtype() == at::kDouble ? at::kDouble : at::kFloat;
  const LayerHeads heads =
      layer_heads(lm.transformer().weights(), lm.config(), head.layer, options);
  const FactoredMatrix circuit = verb.of == "ov" ? heads.ov()
                                 : verb.biases   ? heads.qk_augmented()
                                                 : heads.qk();
  const HeadComponents all =
      head_components(circuit, verb.of == "ov" ? SignRule::kRight : SignRule::kLeft);
  const at::Tensor S = all.S[head.head], left = all.left[head.head], right = all.right[head.head];
  if (!verb.save.empty()) {
    io::write_safetensors(verb.save,
                          {to_view("singular_values", S), to_view("left", left.contiguous()),
                           to_view("right", right.contiguous())},
                          {{"head", head.name()},
                           {"of", verb.of},
                           {"fold", options.fold ? "true" : "false"},
                           {"axes", "left, right: d_model, component"},
                           {"left", verb.of == "ov" ? "what the head reads" : "query side"},
                           {"right", verb.of == "ov" ? "what the head writes" : "key side"},
                           {"sign", verb.of == "ov" ? "largest entry of right positive"
                                                    : "largest entry of left positive"}});
  }
  const at::Tensor groups = degenerate_groups(S.unsqueeze(0))[0];
  const at::Tensor shares = S.to(at::kDouble).square() / S.to(at::kDouble).square().sum();
  TableBlock table{fmt::format("Components of {} of head {}",
                               verb.of == "ov" ? "W_V W_O" : "W_Q W_K^T", head.name()),
                   {"component", "sigma", "share of sigma^2", "group"},
                   {},
                   "group: the first of those with the same singular value"};
  for (int64_t i = 0; i < S.numel(); ++i) {
    table.rows.push_back(
        {i, S[i].item<double>(), shares[i].item<double>(), groups[i].item<int64_t>()});
  }
  show_document({"Components", plain_provenance(), {table}}, verb.output,
                {{"head", head.name()},
                 {"of", verb.of},
                 {"fold", options.fold},
                 {"singular_values", to_json(S)},
                 {"groups", to_json(groups)}});
}

}  // namespace

void add_channel_components(Verb& channels) {
  auto options = std::make_shared<ComponentsVerb>();
  Verb& verb = channels.verb(
      {"components",
       "takes what a head writes (OV) or compares (QK) apart",
       "Singular values and vectors, through K x K matrices.",
       {"weir channels components smollm2-135m --head 20.0 --of ov --save c.safetensors"}});
  add_model_options(verb, options->model);
  verb.option("--head", &options->head, "L.H", "The head")
      .required()
      .choice("--of", &options->of, {"ov", "qk"}, "W_V W_O or W_Q W_K^T")
      .flag("--biases", &options->biases, "QK with its biases, of vectors that end in 1")
      .flag("--no-fold", &options->no_fold, "Weights as stored, gains of norms not folded in");
  add_output_file(verb, "--save", &options->save, "OUT.safetensors",
                  "singular_values, left, right");
  add_output_options(verb, options->output);
  verb.run([options] { components(*options); });
}

}  // namespace weir::cli
