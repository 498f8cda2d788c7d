#include "weir/sae/eval/superposition.h"

#include <algorithm>
#include <vector>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/embed/match.h"

namespace weir {
namespace {

constexpr double kFound = 0.9;
constexpr uint64_t kFeatureSeeds = uint64_t{1} << 40;  // Apart from the seeds of samples.
constexpr int64_t kRowsAtOnce = 4096;

at::Tensor densities(const SuperpositionOptions& options) {
  const at::Tensor rank = at::arange(1, options.n_features + 1, at::kDouble);
  const at::Tensor weight = rank.pow(-options.zipf);
  return (weight / weight.mean() * options.density).clamp_max(1).to(at::kFloat);
}

at::Tensor latents_of(const Sae& sae, const at::Tensor& x) {
  std::vector<at::Tensor> parts;
  for (int64_t i = 0; i < x.size(0); i += kRowsAtOnce) {
    parts.push_back(encode(sae, x.slice(0, i, std::min(x.size(0), i + kRowsAtOnce))));
  }
  return at::cat(parts).to(at::kFloat);
}

double share(double part, double all) { return all > 0 ? part / all : 0; }

}  // namespace

Superposition make_superposition(const SuperpositionOptions& options) {
  require(options.n_features > 0 && options.d > 0 && options.n_samples > 0,
          "superposition: expected features, coordinates and samples");
  require(options.density > 0 && options.density <= 1,
          "superposition: expected a density above 0 and at most 1, got {}", options.density);
  const auto of_features = at::detail::createCPUGenerator(kFeatureSeeds + options.feature_seed);
  const auto generator = at::detail::createCPUGenerator(options.seed);
  Superposition result;
  result.directions = at::randn({options.n_features, options.d}, of_features, at::kFloat);
  result.directions = result.directions / result.directions.norm(2, 1, /*keepdim=*/true);
  const std::vector<int64_t> shape = {options.n_samples, options.n_features};
  const at::Tensor on = at::rand(shape, generator, at::kFloat) < densities(options);
  result.sources = at::where(on, at::rand(shape, generator, at::kFloat) + 0.5, 0.0);
  result.x = result.sources.matmul(result.directions);
  if (options.noise > 0) {
    result.x += options.noise * at::randn({options.n_samples, options.d}, generator, at::kFloat);
  }
  return result;
}

RecoveryScores recovery(const Sae& sae, const Superposition& truth) {
  const at::NoGradGuard no_grad;
  const at::Tensor similarity = cosines(truth.directions, flat_decoder(sae).to(at::kFloat));
  const DictionaryMatch pairs = match(similarity);
  const at::Tensor latents = latents_of(sae, truth.x);
  RecoveryScores scores;
  const int64_t n = truth.directions.size(0);
  for (int64_t g = 0; g < n; ++g) {
    const int64_t j = pairs.partner[static_cast<size_t>(g)];
    if (j < 0) continue;
    const double cosine = similarity[g][j].item<double>();
    const at::Tensor source = truth.sources.select(1, g).to(at::kDouble);
    const at::Tensor latent = latents.select(1, j).to(at::kDouble);
    const double r = correlations(source.unsqueeze(1), latent.unsqueeze(1)).item<double>();
    const at::Tensor is_on = source != 0, fires = latent != 0;
    const double both = (is_on & fires).sum().item<double>();
    const double precision = share(both, fires.sum().item<double>());
    const double recall = share(both, is_on.sum().item<double>());
    scores.mcc += cosine;
    scores.mcc_sources += r;
    scores.found += cosine > kFound ? 1 : 0;
    scores.precision += precision;
    scores.recall += recall;
    scores.f1 += share(2 * precision * recall, precision + recall);
  }
  for (double* score : {&scores.mcc, &scores.mcc_sources, &scores.found, &scores.precision,
                        &scores.recall, &scores.f1}) {
    *score /= static_cast<double>(n);
  }
  return scores;
}

}  // namespace weir
