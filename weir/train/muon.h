#pragma once

#include "weir/train/adam.h"

namespace weir {

struct MuonOptions {
  double momentum = 0.95;
  bool nesterov = true;
  int newton_schulz_steps = 5;
  double weight_decay = 0;  ///< Decoupled.
  /// Of the parameters that are not orthogonalised; their rate is `adam_rate` times the step's.
  AdamOptions adam = {0.9, 0.95, 1e-10, 0, true, false, false};
  double adam_rate = 0.015;
};

/// Momentum whose update is brought near the closest matrix with orthonormal rows or columns
/// (K. Jordan, "Muon: an optimizer for hidden layers in neural networks", 2024; torch.optim.Muon):
///
///   u = mu u + (1 - mu) g,  d = (1 - mu) g + mu u with Nesterov, else u
///   p = (1 - rate wd) p - rate sqrt(max(1, outputs / inputs)) NewtonSchulz(d)
///
/// For the matrices between layers, [in, out] as Weir holds them: `orthogonal[i]` says which
/// parameters those are (two axes each). All others, such as tables and vectors, go by Adam. The
/// reference multiplies in bfloat16, this in the parameter's own type.
class Muon final : public Optimizer {
 public:
  Muon(std::vector<at::Tensor> parameters, std::vector<bool> orthogonal,
       const MuonOptions& options);

 private:
  void update(const Update& update) override;
  std::vector<bool> orthogonal_;
  MuonOptions options_;
};

/// The matrix with singular values brought near 1 (between about 0.7 and 1.2) by steps of
/// X = a X + (b X X^T + c (X X^T)^2) X, (a, b, c) = (3.4445, -4.7750, 2.0315), from X / |X|.
at::Tensor newton_schulz(const at::Tensor& matrix, int steps);

}  // namespace weir
