#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// What happens to an activation x [d_in] before the encoder, and is undone after the decoder.
enum class SaeNormalisation {
  kNone,
  /// One factor for a whole data set, found in training (SAELens `expected_average_only_in`).
  /// Nothing happens at run time unless `SaeConfig::scale` says the factor.
  kExpectedAverage,
  kConstantNorm,  ///< x sqrt(d) / ||x||, per token.
  kLayerNorm,     ///< (x - mean) / (std + 1e-5), per token; std with n - 1.
  kWhitening,     ///< (x - whitening_mean) whitening_matrix, back by whitening_inverse.
};
/// "none", "expected_average_only_in", "constant_norm_rescale", "layer_norm", "whitening".
std::string_view to_string(SaeNormalisation normalisation);
/// kInvalidArgument with the list for another name.
SaeNormalisation parse_sae_normalisation(std::string_view name);

/// Matching pursuit: how long latents are added.
struct MatchingPursuitConfig {
  double residual_threshold = 1e-2;  ///< Norm of what is left at which to stop; 0: not looked at.
  int64_t max_iterations = 0;        ///< 0: d_in.
  bool stop_on_same_support = true;  ///< Stop when a step adds no new latent.
};

/// Variational kinds (arXiv 2509.22994): what their inference needs of how they were trained.
struct VariationalSaeConfig {
  enum class Variance { kNone, kFixed, kLearned };
  /// Which value chooses the k latents. Without noise z is mu, so kMu and kZ choose the largest,
  /// kAbsZ the largest in size.
  enum class SelectOn { kMu, kZ, kAbsZ };
  Variance variance = Variance::kNone;
  bool relu_mu = true;  ///< As released; false: mu keeps its sign (as the paper states).
  SelectOn select_on = SelectOn::kAbsZ;
  double log_var_min = -6, log_var_max = 2;  ///< Clamp before exp.
};
std::string_view to_string(VariationalSaeConfig::Variance variance);
std::string_view to_string(VariationalSaeConfig::SelectOn select_on);
VariationalSaeConfig::Variance parse_sae_variance(std::string_view name);
VariationalSaeConfig::SelectOn parse_sae_selection(std::string_view name);

/// What a dictionary is, apart from its numbers.
struct SaeConfig {
  std::string kind = "standard";  ///< A name of `sae_kinds()`.
  int64_t d_in = 0;
  int64_t d_out = 0;  ///< d_in unless it reads one place and writes another (transcoders).
  int64_t d_sae = 0;
  int64_t n_sources = 1;  ///< Crosscoders: models or layers read together, each [d_in].
  double k = 0;  ///< Latents per token (of a batch on average: batch kinds, any number > 0).
  std::vector<int64_t> widths;  ///< Matryoshka prefixes, ascending, the last one d_sae.

  bool apply_b_dec_to_input = true;  ///< b_dec is subtracted before the encoder.
  /// Selection and latents are pre * ||W_dec row||, and the decoder divides by that norm.
  bool rescale_acts_by_decoder_norm = false;
  SaeNormalisation normalisation = SaeNormalisation::kNone;
  /// Activations are multiplied by it first, reconstructions divided by it last. 1 once folded.
  double scale = 1;

  std::string hook;      ///< The activation it reads, "blocks.3.hook_resid_post"; "" unknown.
  std::string hook_out;  ///< Where a transcoder writes; "" as `hook`.
  /// "hook_z": activations [..., heads, d_head] are flattened, head by head; else "none".
  std::string hook_head_shape = "none";
  std::string model;         ///< Name of the model; "" unknown.
  int64_t context_size = 0;  ///< 0 unknown.
  std::optional<bool> prepend_bos;
  std::string dtype = "float32";  ///< In which the file kept it.

  MatchingPursuitConfig matching_pursuit;
  VariationalSaeConfig variational;
  /// A JSON object: what a format carried beyond all this, kept for writing it back.
  std::string extra = "{}";
};

}  // namespace weir
