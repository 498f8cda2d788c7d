#include <ATen/ATen.h>
#include <fmt/format.h>

#include "apps/cli/output.h"
#include "apps/cli/sae/sae_verbs.h"
#include "weir/io/safetensors.h"
#include "weir/sae/eval/superposition.h"
#include "weir/tensor/convert.h"

namespace weir::cli {
namespace {

struct SynthVerb {
  SuperpositionOptions options;
  std::string out;
};

void synth(const SynthVerb& verb) {
  const Superposition made = make_superposition(verb.options);
  io::write_safetensors(verb.out,
                        {to_view("x", made.x), to_view("sources", made.sources),
                         to_view("directions", made.directions)},
                        {{"seed", std::to_string(verb.options.seed)}});
  print(fmt::format("{}: x [{}, {}] of {} features, {:.3g} on at once\n", verb.out,
                    verb.options.n_samples, verb.options.d, verb.options.n_features,
                    (made.sources != 0).sum(1).to(at::kDouble).mean().item<double>()));
}

}  // namespace

void add_sae_synth(Verb& sae) {
  auto options = std::make_shared<SynthVerb>();
  Verb& verb = sae.verb(
      {"synth",
       "makes activations of known features, in superposition",
       "Sparse sources written along more directions than there are coordinates: train a "
       "dictionary "
       "on F:x, then `sae eval --truth` says how much of the truth it found. The directions are "
       "those of --feature-seed; another --seed gives held-out samples of the same features.",
       {"weir sae synth --out train.safetensors --features 512 --d 128",
        "weir sae synth --out test.safetensors --features 512 --d 128 --seed 1 --samples 20000"}});
  verb.option("--out", &options->out, "F.safetensors", "x, sources and directions").required();
  verb.option("--features", &options->options.n_features, "G", "True features", {1})
      .option("--d", &options->options.d, "D", "Coordinates", {1})
      .option("--samples", &options->options.n_samples, "N", "Activations", {1})
      .option("--density", &options->options.density, "P", "Mean share of samples with a feature",
              {0, 1, true})
      .option("--zipf", &options->options.zipf, "A", "Densities fall as rank^-A", {0})
      .option("--noise", &options->options.noise, "S", "Deviation of noise on each coordinate", {0})
      .option("--feature-seed", &options->options.feature_seed, "S", "Of the directions")
      .option("--seed", &options->options.seed, "S", "Of the samples");
  verb.run([options] { synth(*options); });
}

}  // namespace weir::cli
