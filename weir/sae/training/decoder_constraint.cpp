#include "weir/sae/training/decoder_constraint.h"

#include <limits>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace weir {
namespace {

at::Tensor row_norms(const at::Tensor& rows) {
  return rows.norm(2, -1, true).clamp_min(std::numeric_limits<float>::min());
}

}  // namespace

void make_rows_unit(const at::Tensor& rows) {
  const at::NoGradGuard no_grad;
  at::Tensor of = rows;
  of.div_(row_norms(rows));
}

void remove_parallel_part(const at::Tensor& gradient, const at::Tensor& rows) {
  const at::NoGradGuard no_grad;
  const at::Tensor unit = rows / row_norms(rows);
  at::Tensor of = gradient;
  of.sub_(unit * (gradient * unit).sum(-1, true));
}

}  // namespace weir
