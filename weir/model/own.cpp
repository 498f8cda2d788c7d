#include "weir/model/own.h"

#include <map>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"
#include "weir/hooks/hooks.h"
#include "weir/model/places.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

// Gives the weights of a model new memory, place by place.
class NewMemory {
 public:
  NewMemory(LoadedModel& model, at::ScalarType dtype) : model_(model), dtype_(dtype) {
    for (const Origin& origin : model.origins) origins_[origin.parameter] = &origin;
  }

  void give(const Place& place) {
    const at::ScalarType dtype = dtype_of(place);
    const at::Tensor held = place.held(dtype).to(at::kCPU).detach();
    const auto found = origins_.find(place.name);
    const bool is_view = found != origins_.end() && found->second->is_view();
    hold(place, is_view ? stored(held, *found->second) : held.clone());
  }

  // The checkpoint's tensors, those that moved in their new memory.
  io::TensorMap checkpoint() const {
    io::TensorMap result = model_.checkpoint;
    for (const auto& [name, buffer] : buffers_) {
      io::TensorView* known = nullptr;
      for (io::TensorView& tensor : result.tensors) {
        if (tensor.name == name) known = &tensor;
      }
      (known != nullptr ? *known : result.tensors.emplace_back()) = to_view(name, buffer);
    }
    return result;
  }

 private:
  at::ScalarType dtype_of(const Place& place) const {
    return place.matrix != nullptr || dtype_ == at::kDouble ? dtype_ : at::kFloat;
  }

  at::Tensor stored(const at::Tensor& held, const Origin& origin) {
    const at::Tensor buffer = buffer_of(origin, held.scalar_type());
    store(held, origin, buffer);
    const at::Tensor part = region_of(buffer, origin).flatten(origin.axis, origin.axis + 1);
    return origin.transposed ? part.t() : part;
  }

  // Starts as the checkpoint has it, since no parameter may stand in some of its entries.
  at::Tensor buffer_of(const Origin& origin, at::ScalarType dtype) {
    at::Tensor& buffer = buffers_[origin.tensor];
    if (buffer.defined()) return buffer;
    buffer = at::zeros(origin.shape, dtype);
    const bool is_whole = origin.outputs.length == origin.shape[origin.axis];
    const io::TensorView* source = is_whole ? nullptr : model_.checkpoint.find(origin.tensor);
    if (source != nullptr) buffer.copy_(to_tensor(*source));
    return buffer;
  }

  LoadedModel& model_;
  at::ScalarType dtype_;
  std::map<std::string, const Origin*> origins_;
  std::map<std::string, at::Tensor> buffers_;
};

std::vector<bool> matches(const std::vector<Place>& places, const std::vector<std::string>& globs) {
  std::vector<bool> chosen(places.size());
  std::vector<std::string> names;
  for (const Place& place : places) names.push_back(place.name);
  for (const std::string& glob : globs) {
    bool any = false;
    for (size_t i = 0; i < places.size(); ++i) {
      const bool here = places[i].is_held() && glob_matches(glob, names[i]);
      chosen[i] = chosen[i] || here;
      any = any || here;
    }
    if (any) continue;
    fail(ErrorCode::kNotFound, "trainable: '{}' matches no parameter of this model{}", glob,
         did_you_mean(glob, names));
  }
  return chosen;
}

at::Tensor leaf_of(const Place& place, bool chosen) {
  const at::Tensor& held = place.matrix != nullptr ? place.matrix->storage() : *place.tensor;
  if (!chosen) return held.defined() && held.requires_grad() ? held.detach() : held;
  require(held.defined() && held.is_floating_point(),
          "trainable: '{}' is held as {}, which has no gradient; take own(model) first", place.name,
          place.matrix != nullptr ? place.matrix->dtype_name() : "integers");
  return held.detach().requires_grad_(true);
}

}  // namespace

LoadedModel own(const LoadedModel& model, at::ScalarType dtype) {
  require(at::isFloatingType(dtype), "own: expected a floating point dtype, got {}",
          dtype_name(dtype));
  const at::NoGradGuard no_grad;
  LoadedModel result = model;
  NewMemory memory(result, dtype);
  for (const Place& place : places_of(result.weights, result.config)) {
    const bool done = place.matrix == &result.weights.W_U && place.is_tied();
    if (place.is_held() && !done) memory.give(place);
  }
  result.checkpoint = memory.checkpoint();
  result.is_own = true;
  return result;
}

std::vector<Parameter> trainable(LoadedModel& model, const std::vector<std::string>& globs) {
  require(model.is_own,
          "trainable: the weights of this model are a file that only may be read; train "
          "own(model)");
  const std::vector<Place> places = places_of(model.weights, model.config);
  std::vector<bool> chosen = matches(places, globs);
  const bool tied = model.weights.W_U.is_same(model.weights.W_E);
  std::vector<std::string> names;
  // W_E stands first: a tied table chosen under either name is made a leaf there.
  for (size_t i = 0; i < places.size(); ++i) {
    if (tied && places[i].matrix == &model.weights.W_U)
      chosen.front() = chosen.front() || chosen[i];
  }
  for (size_t i = 0; i < places.size(); ++i) {
    if (!places[i].is_held() || (tied && places[i].matrix == &model.weights.W_U)) continue;
    hold(places[i], leaf_of(places[i], chosen[i]));
    if (chosen[i]) names.push_back(places[i].name);
  }
  std::vector<Parameter> result;
  auto name = names.begin();
  for (Parameter& parameter : parameters(model.weights, model.config)) {
    if (name == names.end() || parameter.name != *name) continue;
    result.push_back(std::move(parameter));
    ++name;
  }
  return result;
}

}  // namespace weir
