#pragma once

#include <cstdint>
#include <string>
#include <vector>

/// How a dictionary is trained: the terms of its loss, what is done about dead latents, its
/// decoder's constraint, its optimiser. Each trainer of the libraries people use is one setting of
/// these (presets.h); docs/methods/saes.md has the formulas. e = x - x^ (or y - x^).
namespace weir {

/// What is summed of the reconstruction's error, always a mean over the batch.
enum class Reconstruction {
  kSum,           ///< sum_d e^2
  kMean,          ///< scale * mean_d e^2
  kVarianceShare  ///< sum e^2 / sum (x - mean x)^2 over the batch: FVU
};

enum class SparsityKind {
  kNone,
  kNorm,         ///< (sum_j |f_j w_j|^p)^(1/p); p = 1: L1
  kPowers,       ///< sum_j |f_j w_j|^p
  kL0,           ///< number of pre > threshold, with a straight-through slope
  kTanh,         ///< sum_j tanh(scale f_j w_j)
  kL0Quadratic,  ///< 2 / target (L0 - target)^2 of each row
  kL0Relative    ///< (mean L0 / target - 1)^2, L0 counted on f
};
/// w_j above.
enum class SparsityWeight { kOne, kDecoderNorm, kSquaredDecoderNorm, kSumOfSourceNorms };

struct SparsitySettings {
  SparsityKind kind = SparsityKind::kNone;
  double coefficient = 0;
  double p = 1;
  double eps = 0;  ///< Added to |f_j w_j| before its power is taken.
  SparsityWeight weight = SparsityWeight::kOne;
  double scale = 4;           ///< Of tanh.
  double target = 0;          ///< L0
  int64_t warmup = 0;         ///< Steps in which the coefficient rises from 0; step / warmup.
  double pre_activation = 0;  ///< JumpReLU: times sum over dead j of ReLU(threshold - pre) ||W_j||.
};

/// p of the penalty falls in stages, and its coefficient is scaled so that the penalty stays.
struct AnnealSettings {
  int64_t start = -1, end = -1;  ///< Steps; start < 0: no annealing.
  int64_t n_stages = 10;
  double first_p = 1, last_p = 0;
  int64_t queue = 10;    ///< Steps over which both penalties are compared.
  bool rescales = true;  ///< False: the coefficient stays (vSAE's released form).
};

struct JumpReluSettings {
  double bandwidth = 0.05;
  bool reaches_input = false;  ///< The straight-through slope also goes to pre.
};

/// The way around the gate: ReLU(pi) W_dec + b_dec against x.
struct GateSettings {
  double coefficient = 1;
  bool detached_decoder = true;
};

/// What dead latents are asked to explain: the residual of the living ones (2406.04093).
struct AuxKSettings {
  double coefficient = 0;
  int64_t k = 0;  ///< 0: d_in / 2
  /// What they offer: pre, ReLU(pre), or z chosen by |z| with its sign.
  enum class Offer { kPre, kRelu, kSize } offer = Offer::kRelu;
  /// Divided by: the residual's variance over the batch; the target's; nothing.
  enum class Per { kResidualVariance, kTotalVariance, kNothing } per = Per::kResidualVariance;
  bool unbiased = false;        ///< Variance with n - 1.
  double eps = 0;               ///< Added to the variance.
  bool scaled_by_dead = false;  ///< Times min(1, dead / k).
  /// b_dec is in its reconstruction, or in that and in the target.
  enum class Bias { kNone, kReconstruction, kBoth } bias = Bias::kNone;
  bool trains_encoder = true;
  bool reaches_residual = false;  ///< The residual is no constant of its gradient.
  bool each_level = false;        ///< Matryoshka: one for each prefix, of the latents it adds.
};

struct DeadSettings {
  /// Counted: tokens (0 where fired, else + batch); passes (+ 1); passes that begin at 1.
  enum class Count { kTokens, kPasses, kPassesFromOne } count = Count::kTokens;
  double threshold = 1e7;
  bool strict = false;       ///< Dead above the threshold, not at it.
  bool counts_first = true;  ///< This batch's firing is counted before AuxK asks who is dead.
  /// What fired: not 0; with a sum over the batch above 0; chosen, even with value 0; above 1e-3.
  enum class Fired { kNonZero, kPositiveSum, kSelected, kAboveThousandth } fired = Fired::kNonZero;
};

/// Of batch kinds: the value above which latents are kept outside training.
struct ThresholdSettings {
  double rate = 0.001;     ///< threshold += rate (least positive latent - threshold)
  int64_t start = 1000;    ///< Steps that only come before; the first after them sets it.
  bool from_zero = false;  ///< It starts at 0 and follows from step 0 on.
};

enum class KlPrior { kNormal, kLaplace, kExponential, kSpikeSlab, kMixture, kCorrelated };

struct KlSettings {
  double coefficient = 0;
  KlPrior prior = KlPrior::kNormal;
  double prior_scale = 1;  ///< s of N(0, s^2), b of Laplace, rate of the exponential
  bool selected_only = false;
  enum class Schedule { kConstant, kLinear, kCyclical } schedule = Schedule::kLinear;
  int64_t warmup = 0;    ///< Steps; of the cyclical one: a cycle, half of it rising.
  double mean_max = 10;  ///< |mu| beyond it counts as this; 0: no bound.
  double log_var_min = -6, log_var_max = 2;
  double variance_log_min = -1e30;  ///< In exp(log var) alone (vsae_gated's sampling bound).
  double free_nats = 0;             ///< A latent's mean over the batch below it costs nothing.
  double target = 0;  ///< Nats a token (of what is summed): the coefficient follows it; 0: fixed.
  double factor = 1;  ///< Of all of it (a group's weight).
};

struct VariationalSettings {
  bool samples = false;          ///< z = mu + sigma eps in training.
  bool after_selection = false;  ///< Noise on chosen latents alone, after they were chosen.
  double sigma = 1;              ///< Where it is fixed.
  double mean_path = 0;  ///< Coefficient of |x - (mu W_dec + b_dec)|^2 (released JumpReLU form).
};

enum class DecoderConstraint {
  kFree,
  kUnitBeforeForward,  ///< sparsify
  kUnitBeforeUpdate,   ///< OpenAI: rows are not of unit norm after a step
  kUnitAfterUpdate     ///< dictionary_learning
};

struct DecoderSettings {
  DecoderConstraint constraint = DecoderConstraint::kFree;
  /// The part of the gradient along a row is taken out, before or after clipping.
  enum class Project { kNo, kBeforeClip, kAfterClip } project = Project::kNo;
  bool constrains_b_dec = false;  ///< b_dec too, as one vector (vsae_gated as released).
};

struct SaeOptimizerSettings {
  enum class Kind { kAdam, kSignum } kind = Kind::kAdam;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double momentum = 0.95;  ///< Of signum.
  double clip = 0;         ///< Largest norm of all gradients together; 0: any.
};

/// b_dec before the first step.
enum class BiasStart { kAsGiven, kGeometricMedian, kMean };

struct SaeTrainingSettings {
  Reconstruction reconstruction = Reconstruction::kSum;
  double reconstruction_scale = 1;
  std::vector<double> level_weights;  ///< Of Matryoshka's prefixes; empty: 1 each.
  bool mean_of_levels = false;        ///< Their mean instead of their sum.
  bool last_level_only = false;       ///< Prefixes are only told (vsae_matryoshka as released).
  SparsitySettings sparsity;
  AnnealSettings anneal;
  JumpReluSettings jump_relu;
  GateSettings gate;
  AuxKSettings auxk;
  double multi_topk = 0;  ///< Coefficient of the share of variance left with 4 k latents.
  /// Chosen latents that ReLU made 0 pass their gradient on, and nothing but the reconstruction
  /// reaches the encoder (sparsify).
  bool passes_zeros = false;
  DeadSettings dead;
  ThresholdSettings threshold;
  KlSettings kl;
  VariationalSettings variational;
  DecoderSettings decoder;
  SaeOptimizerSettings optimizer;
  BiasStart bias_start = BiasStart::kAsGiven;
  double k_start = 0;          ///< k falls from it ...
  int64_t k_anneal = 0;        ///< ... in so many steps; 0: no.
  int64_t resample_every = 0;  ///< Steps; 0: never (resample.h).
};

}  // namespace weir
