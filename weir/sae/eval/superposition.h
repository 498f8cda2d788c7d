#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

#include "weir/sae/kinds/sae.h"

/// Activations whose true features are known: sparse sources written along more directions than
/// there are coordinates (Elhage et al. 2209.10652; Sharkey et al. 2022). What a dictionary ought
/// to find, so that metrics without truth can be checked against it.
namespace weir {

struct SuperpositionOptions {
  int64_t n_features = 256;
  int64_t d = 64;
  int64_t n_samples = 100000;
  double density = 0.02;  ///< Mean share of samples in which a feature is on.
  /// Densities fall as rank^-zipf (0: all the same), scaled to the mean.
  double zipf = 0;
  double noise = 0;           ///< Deviation of what is added to each coordinate.
  uint64_t feature_seed = 0;  ///< Of the directions.
  uint64_t seed = 0;          ///< Of the samples: another one gives held-out ones.
};

/// x = sources directions + noise.
struct Superposition {
  at::Tensor directions;  ///< float [G, d], unit rows, independent uniform on the sphere.
  at::Tensor sources;     ///< float [N, G]: 0, or 1/2 + u, u uniform in 0..1, where it is on.
  at::Tensor x;           ///< float [N, d]
};
Superposition make_superposition(const SuperpositionOptions& options);

struct RecoveryScores {
  /// Mean cosine of features with the decoder rows they are paired with one to one (the pairing of
  /// the largest sum), over all features: one without a row of its own counts 0.
  double mcc = 0;
  double mcc_sources = 0;  ///< Mean correlation of sources with the latents of the same pairs.
  double found = 0;        ///< Share of features whose row has a cosine above .9.
  /// Does the paired latent fire where the feature is on: mean over features.
  double precision = 0, recall = 0, f1 = 0;
};
/// Latents are those of `truth.x` (held out from training for an honest score).
RecoveryScores recovery(const Sae& sae, const Superposition& truth);

}  // namespace weir
