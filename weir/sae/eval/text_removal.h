#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/sae/eval/concept_removal.h"
#include "weir/sae/eval/gradient_probe.h"
#include "weir/sae/eval/labelled_texts.h"
#include "weir/sae/eval/pooled_texts.h"

/// SCR and TPP of a dictionary on pooled texts. See concept_removal.h for how far to trust them.
namespace weir {

/// SAEBench's probe of SCR and TPP: AdamW 1e-3, batch 16, L1 1e-3, 20 epochs. With few rows it
/// stays close to where it starts, and the epoch is chosen on the test rows.
GradientProbeOptions removal_probe();

struct RemovalOptions {
  std::vector<int64_t> ns = {2, 5, 10, 20, 50, 100, 500};  ///< Latents set to 0; at most F.
  GradientProbeOptions probe = removal_probe();
  uint64_t seed = 0;  ///< Of negatives and probes.
};

/// Mean over labels, by n.
std::map<int64_t, TppScore> tpp(const LabelledTexts& texts, const Sae& sae, const at::Tensor& x,
                                const at::Tensor& latents, const RemovalOptions& options = {});

/// Of texts with two labels and an attribute of two values: a probe is trained where both go
/// together (label 1 with value 1, label 2 with value 2), so that it takes one for the other.
struct ScrResult {
  double direction_1 = 0;  ///< Latents of the label removed, the attribute asked.
  double direction_2 = 0;  ///< Latents of the attribute removed, the label asked.
  double metric = 0;       ///< The one whose accuracy began lower.
  bool has_metric = true;
};
std::map<int64_t, ScrResult> scr(const LabelledTexts& texts, const Sae& sae, const at::Tensor& x,
                                 const at::Tensor& latents, const RemovalOptions& options = {});

}  // namespace weir
