#include "weir/model/hugging_face_values.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

std::map<std::string, at::Tensor> under_hugging_face_names(const LoadedModel& model,
                                                           const std::vector<Parameter>& parameters,
                                                           const std::vector<at::Tensor>& values) {
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i < values.size(); ++i) {
    if (!values[i].defined()) continue;
    const auto origin =
        std::find_if(model.origins.begin(), model.origins.end(),
                     [&](const Origin& of) { return of.parameter == parameters[i].name; });
    require(origin != model.origins.end(), "'{}' has no place in the checkpoint",
            parameters[i].name);
    at::Tensor& stored = tensors[origin->tensor];
    if (!stored.defined()) stored = at::zeros(origin->shape, values[i].options());
    store(values[i], *origin, stored);
  }
  return tensors;
}

}  // namespace weir
