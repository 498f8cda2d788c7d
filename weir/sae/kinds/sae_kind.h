#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "weir/sae/kinds/sae.h"

/// One kind of dictionary: how it chooses latents. A new one is a file with a class and a line in
/// sae_kind.cpp. Input here is x [N, n d_in] as `read_sae_input` makes it.
namespace weir {

struct SaeWeightSpec {
  std::string name;
  std::vector<int64_t> shape;
  bool optional = false;
};

class SaeKind {
 public:
  virtual ~SaeKind() = default;

  /// What its weights are called and how large they are; here W_enc, b_enc, W_dec and b_dec.
  virtual std::vector<SaeWeightSpec> weights(const SaeConfig& config) const;
  /// kInvalidArgument for settings that cannot be.
  virtual void check(const SaeConfig&) const {}
  /// Latents [N, F].
  virtual at::Tensor encode(const Sae& sae, const at::Tensor& x) const = 0;
  /// For kinds that choose a fixed number: without [N, F] of latents.
  virtual SparseLatents encode_sparse(const Sae& sae, const at::Tensor& x) const;
  /// A fixed number of latents a token: `encode_sparse` is then the cheap way.
  virtual bool is_sparse() const { return false; }
  /// Whether latents compete: then scaling single latents (folding norms) changes who wins.
  virtual bool competes() const { return false; }
  /// Whether it heeds rescale_acts_by_decoder_norm.
  virtual bool can_rescale() const { return false; }
  /// Whether the decoder adds b_dec.
  virtual bool adds_b_dec(const SaeConfig&) const { return true; }
};

/// kNotFound, with the nearest names.
const SaeKind& find_sae_kind(std::string_view name);
std::vector<std::string> sae_kinds();

/// x W_enc + b_enc [N, F].
at::Tensor pre_activations(const Sae& sae, const at::Tensor& x);
/// config.k as a whole number in [1, F]; kInvalidArgument otherwise.
int64_t whole_k(const SaeConfig& config);

}  // namespace weir
