#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "apps/cli/command.h"
#include "apps/cli/sae/options.h"
#include "apps/cli/sae/sae_verbs.h"
#include "apps/cli/token_source.h"
#include "weir/io/safetensors.h"
#include "weir/report/report.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct EncodeVerb {
  SaeOptions sae;
  std::string acts, save;
  OutputOptions output;
};

// Whether the target is the input: what a transcoder answers belongs to another activation.
bool is_autoencoder(const Sae& sae) {
  return sae.config.d_in == sae.config.d_out &&
         sae.config.kind.find("transcoder") == std::string::npos;
}

nlohmann::ordered_json figures(const Sae& sae, const at::Tensor& x, const at::Tensor& features,
                               const at::Tensor& reconstruction) {
  const at::Tensor fires = (features != 0).reshape({-1, sae.config.d_sae}).to(at::kDouble);
  nlohmann::ordered_json result = {{"tokens", fires.size(0)},
                                   {"l0", fires.sum(-1).mean().item<double>()},
                                   {"alive", fires.amax(0).sum().item<double>()}};
  if (!is_autoencoder(sae)) return result;
  const at::Tensor wanted = x.to(at::kDouble).reshape({fires.size(0), -1});
  const at::Tensor error = wanted - reconstruction.to(at::kDouble).reshape(wanted.sizes());
  const double total = (wanted - wanted.mean(0, true)).square().sum().item<double>();
  result["explained_variance"] = 1 - error.square().sum().item<double>() / total;
  return result;
}

void encode_file(const EncodeVerb& verb) {
  const Sae sae = load(verb.sae).sae;
  const at::Tensor x = read_named(verb.acts, "acts");
  const SaeInput input = read_sae_input(sae, x);
  const at::Tensor features = encode(sae, input);
  const at::Tensor reconstruction = decode(sae, features, input);
  io::write_safetensors(verb.save, {to_view("features", features.contiguous()),
                                    to_view("reconstruction", reconstruction.contiguous())});
  nlohmann::ordered_json document = figures(sae, x, features, reconstruction);
  TableBlock block{"Encoded", {"figure", "value"}, {}, ""};
  for (const auto& [name, value] : document.items()) {
    block.rows.push_back({name, value.get<double>()});
  }
  document["save"] = verb.save;
  show_document({"Encoded", plain_provenance(), {std::move(block)}}, verb.output, document);
}

}  // namespace

void add_sae_encode(Verb& sae) {
  auto options = std::make_shared<EncodeVerb>();
  Verb& verb = sae.verb(
      {"encode",
       "encodes and reconstructs activations of a file",
       "Saves `features` [..., d_sae] and `reconstruction`, of the shape of the activations. "
       "Explained variance is 1 - sum e^2 / sum (x - mean)^2 over all tokens.",
       {"weir sae encode my-sae --acts acts.safetensors:x --save out.safetensors"}});
  add_sae_options(verb, options->sae);
  verb.option("--acts", &options->acts, "F[:KEY]",
              "Activations [..., d_in] of a file; also [..., heads, d_head] for hook_z")
      .required();
  add_output_file(verb, "--save", &options->save, "F.safetensors", "Where the tensors go")
      .required();
  add_output_options(verb, options->output);
  verb.run([options] { encode_file(*options); });
}

}  // namespace weir::cli
