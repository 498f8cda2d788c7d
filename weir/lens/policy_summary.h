#pragma once

#include <string>
#include <vector>

#include "weir/base/bootstrap.h"
#include "weir/lens/entropy_dynamics.h"
#include "weir/report/report.h"

/// Entropy dynamics over a data set: means over the tokens that count, with intervals over texts.
namespace weir {

/// One quantity by layer.
struct LayerCurve {
  std::string name;            ///< "delta_entropy.mlp", "cosine.attn", "entropy.layer", ...
  std::vector<double> tokens;  ///< [L] mean over all tokens
  std::vector<MeanInterval> sequences;    ///< [L] mean over texts of each text's mean
  std::vector<std::vector<double>> each;  ///< [N][L] means of the texts
};

/// Adds batches as they come; holds sums and the texts' means only.
class PolicySummary {
 public:
  /// `mask` bool [B, T]: the tokens that count (the response, 2512.19673 A.3); rows without any are
  /// left out.
  void add(const EntropyDynamics& dynamics, const at::Tensor& mask);
  std::vector<LayerCurve> curves() const;
  int64_t n_sequences() const { return n_sequences_; }
  int64_t n_tokens() const { return n_tokens_; }

 private:
  struct Sums {
    std::vector<double> total;              ///< [L]
    std::vector<std::vector<double>> each;  ///< [N][L]
  };
  std::vector<std::pair<std::string, Sums>> quantities_;
  int64_t n_sequences_ = 0, n_tokens_ = 0;
};

const LayerCurve& find_curve(const std::vector<LayerCurve>& curves, const std::string& name);

/// The boundary layer and how sure it is: chosen again for 1,000 resamples of the texts, and for
/// the two halves of the data.
struct BoundaryConfidence {
  Boundary boundary;
  double share = 0;  ///< Of the resamples that choose the same
  std::optional<int64_t> first_half, second_half;
};
BoundaryConfidence boundary_confidence(const LayerCurve& delta_mlp,
                                       const BoundaryOptions& options = {});

/// Names and tensors of the dynamics, as `weir policies --save` writes them.
std::vector<std::pair<std::string, at::Tensor>> named(const EntropyDynamics& dynamics);

/// What the raw curves say and, beside it, the same with every vector's scale taken out.
Report policy_report(const std::vector<LayerCurve>& raw, const std::vector<LayerCurve>& controlled,
                     int64_t n_sequences, int64_t n_tokens);

}  // namespace weir
