#include "weir/sae/training/sparsity.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/sae/training/straight_through.h"

namespace weir {
namespace {

at::Tensor weighted(const Sae& sae, SparsityWeight weight, const at::Tensor& of) {
  switch (weight) {
    case SparsityWeight::kOne:
      return of;
    case SparsityWeight::kDecoderNorm:
      return of * decoder_norms(sae);
    case SparsityWeight::kSquaredDecoderNorm:
      return of * decoder_norms(sae).square();
    case SparsityWeight::kSumOfSourceNorms: {
      const at::Tensor& rows = sae.weight("W_dec");
      return of * (rows.dim() == 3 ? rows.norm(2, -1).sum(-1) : rows.norm(2, -1));
    }
  }
  fail(ErrorCode::kInternal, "sparsity: no such weight");
}

}  // namespace

at::Tensor sparsity_penalty(const Sae& sae, const SaeTrainingSettings& settings,
                            const at::Tensor& of, double p) {
  const SparsitySettings& how = settings.sparsity;
  const JumpReluSettings& jump = settings.jump_relu;
  const auto count = [&] {
    return step_function(of, sae.weight("threshold").relu(), jump.bandwidth, jump.reaches_input)
        .sum(-1);
  };
  switch (how.kind) {
    case SparsityKind::kNone:
      return at::zeros({}, of.options());
    case SparsityKind::kNorm:
      if (how.eps > 0 && p != 1) {
        return (weighted(sae, how.weight, of) + how.eps).pow(p).sum(-1).pow(1 / p).mean();
      }
      return weighted(sae, how.weight, of).norm(p, -1).mean();
    case SparsityKind::kPowers:
      return weighted(sae, how.weight, of).pow(p).sum(-1).mean();
    case SparsityKind::kTanh:
      return (how.scale * weighted(sae, how.weight, of)).tanh().sum(-1).mean();
    case SparsityKind::kL0:
      return count().mean();
    case SparsityKind::kL0Quadratic:
      return (2 / how.target * (count() - how.target).square()).mean();
    case SparsityKind::kL0Relative:
      return (count().mean() / how.target - 1).square();
  }
  fail(ErrorCode::kInternal, "sparsity: no such penalty");
}

}  // namespace weir
