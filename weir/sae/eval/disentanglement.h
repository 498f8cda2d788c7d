#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

/// RAVEL (Huang et al. 2402.17700; SAEBench's masks over latents): latents of a source prompt put
/// in place of those of a base prompt should change one attribute (cause) and leave the others
/// (isolation).
namespace weir {

/// (1 - m) base + m source, latents [B, F], mask m [F].
at::Tensor interchange(const at::Tensor& base, const at::Tensor& source, const at::Tensor& mask);
/// The mask while it is learned, sigmoid(mask / temperature), and after: 1 where above 0.
at::Tensor soft_mask(const at::Tensor& mask, double temperature);
at::Tensor hard_mask(const at::Tensor& mask);

/// Pairs whose own answers agree should keep them (isolation); the others should take the source's
/// (cause). 0 for none of a kind.
struct DisentanglementScores {
  double cause = 0, isolation = 0;
  int64_t n_cause = 0, n_isolation = 0;
  double disentangle() const { return (cause + isolation) / 2; }
};
/// int64 [B] each: the token predicted after the interchange, and those of both prompts untouched.
DisentanglementScores disentanglement(const at::Tensor& predicted, const at::Tensor& source,
                                      const at::Tensor& base);

}  // namespace weir
