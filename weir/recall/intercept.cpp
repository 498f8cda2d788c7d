#include "weir/recall/intercept.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

namespace weir {
namespace {

std::string mlp_out(int64_t layer) { return "blocks." + std::to_string(layer) + ".hook_mlp_out"; }

}  // namespace

at::Tensor lens_of(const FinalReader& reader, const at::Tensor& b, double scale,
                   UnembeddingForm form) {
  at::Tensor read = reader.centred(b.to(reader.W_U().scalar_type())) / scale;
  if (form == UnembeddingForm::kFolded) read = read * reader.gain();
  return at::matmul(read, reader.W_U());
}

at::Tensor cosines_with(const FinalReader& reader, const at::Tensor& b, const at::Tensor& ids,
                        UnembeddingForm form) {
  at::Tensor directions = reader.W_U().index_select(1, ids).t() - reader.mean_W_U();  // [n, D]
  if (form == UnembeddingForm::kFolded) directions = directions * reader.gain();
  const at::Tensor u = directions.to(at::kDouble), v = b.to(at::kDouble);
  return at::mv(u, v) / (u.norm(2, 1) * v.norm());
}

at::Tensor run_with_mlp_out(const LastPosition& last, int64_t layer, const at::Tensor& value) {
  const at::NoGradGuard no_grad;
  return last.run({{mlp_out(layer),
                    [&](const at::Tensor& y, const HookContext&) {
                      const at::Tensor put = value.to(y.options());
                      return (put.dim() == 2 ? put.unsqueeze(1) : put).expand_as(y);
                    }}},
                  layer);
}

at::Tensor run_with_mlp_plus(const LastPosition& last, int64_t layer, const at::Tensor& vector) {
  const at::NoGradGuard no_grad;
  return last.run(
      {{mlp_out(layer),
        [&](const at::Tensor& y, const HookContext&) { return y + vector.to(y.options()); }}},
      layer);
}

}  // namespace weir
