#include "weir/model/origin.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

at::Tensor region_of(const at::Tensor& stored, const Origin& origin) {
  const OutputRuns& runs = origin.outputs;
  return stored.unflatten(origin.axis, {runs.count, runs.step})
      .narrow(origin.axis + 1, runs.first, runs.length);
}

void store(const at::Tensor& held, const Origin& origin, const at::Tensor& stored) {
  const at::Tensor target = region_of(stored, origin);
  const at::Tensor part_held = origin.row >= 0 ? held.select(0, origin.row) : held;
  const at::Tensor value = origin.transposed ? part_held.t() : part_held;
  const at::Tensor whole = target.flatten(origin.axis, origin.axis + 1);
  require(value.sizes() == whole.sizes(),
          "parameter '{}': expected shape {}, as '{}' has it, got {}", origin.parameter,
          c10::str(whole.sizes()), origin.tensor, c10::str(value.sizes()));
  at::Tensor part = target;
  part.copy_(value.unflatten(origin.axis, {origin.outputs.count, origin.outputs.length}));
}

}  // namespace weir
