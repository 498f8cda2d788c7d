#include "weir/train/state_file.h"

#include <vector>

#include <ATen/ATen.h>

#include "weir/io/safetensors.h"
#include "weir/tensor/convert.h"

namespace weir {

void save_state(const TrainingState& state, const std::filesystem::path& file) {
  std::vector<io::TensorView> views;
  for (const auto& [name, tensor] : state.tensors) views.push_back(to_view(name, tensor));
  io::write_safetensors(file, views, state.texts);
}

TrainingState read_state(const std::filesystem::path& file) {
  const io::TensorMap found = io::read_safetensors(file);
  TrainingState state;
  for (const io::TensorView& view : found.tensors) {
    state.tensors[view.name] = to_tensor(view).clone();
  }
  state.texts = {found.metadata.begin(), found.metadata.end()};
  return state;
}

}  // namespace weir
