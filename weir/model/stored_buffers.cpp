#include "weir/model/stored_buffers.h"

#include <ATen/ATen.h>

#include "weir/base/log.h"
#include "weir/hooks/hooks.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

// bfloat16 keeps 8 bits of a frequency.
constexpr double kFrequencyTolerance = 1.0 / 128;

// The layer in "h.3.attn.bias"; -1: none.
int64_t layer_of(const std::string& name) {
  for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
    const char* digits = name.c_str() + dot + 1;
    if (*digits >= '0' && *digits <= '9') return std::atoll(digits);
  }
  return -1;
}

bool is_mask_of(const at::Tensor& stored, int64_t window) {
  const int64_t n = stored.size(-1);
  at::Tensor visible = at::ones({n, n}, at::kBool).tril();
  if (window > 0) visible = visible.logical_and(at::ones({n, n}, at::kBool).triu(1 - window));
  return stored.ne(0).view({n, n}).equal(visible);
}

bool is_square(const io::TensorView& tensor) {
  const std::vector<int64_t>& shape = tensor.shape;
  return shape.size() == 4 && shape[0] == 1 && shape[1] == 1 && shape[2] == shape[3];
}

bool has_frequencies(const at::Tensor& stored, const RotaryConfig& rotary) {
  const std::vector<double> ours = rotary_frequencies(rotary, 1);
  const auto n = static_cast<int64_t>(ours.size());
  if (stored.dim() != 1 || stored.size(0) != n) return false;
  const at::Tensor expected = at::tensor(ours, at::kDouble);
  const at::Tensor apart = (stored.to(at::kDouble) - expected).abs();
  return apart.le(expected * kFrequencyTolerance).all().item<bool>();
}

// Old writers stored the frequencies before any scaling.
bool agrees(const at::Tensor& stored, const RotaryConfig& rotary) {
  RotaryConfig plain = rotary;
  plain.scaling = "default";
  return has_frequencies(stored, rotary) || has_frequencies(stored, plain);
}

}  // namespace

void compare_buffers(const ModelConfig& config, const io::TensorMap& tensors) {
  bool warned_mask = false, warned_rotary = false;
  for (const io::TensorView& tensor : tensors.tensors) {
    const int64_t layer = layer_of(tensor.name);
    if (layer < 0 || layer >= config.n_layers) continue;
    const bool is_mask = (glob_matches("*.attn.bias", tensor.name) ||
                          glob_matches("*.attn.attention.bias", tensor.name) ||
                          glob_matches("*.attention.bias", tensor.name)) &&
                         is_square(tensor);
    if (is_mask && !warned_mask && !is_mask_of(to_tensor(tensor), config.window(layer))) {
      log::warn("{}: '{}' is not the causal mask that config.json describes; config.json counts",
                tensors.source, tensor.name);
      warned_mask = true;
    }
    const bool is_rotary = glob_matches("*.rotary_emb.inv_freq", tensor.name);
    if (is_rotary && !warned_rotary && config.has_rotary(layer) &&
        !agrees(to_tensor(tensor), config.rotary_of(layer))) {
      log::warn(
          "{}: '{}' holds other rotary frequencies than config.json describes; config.json "
          "counts",
          tensors.source, tensor.name);
      warned_rotary = true;
    }
  }
}

}  // namespace weir
