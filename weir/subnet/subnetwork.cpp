#include "weir/subnet/subnetwork.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/nearest.h"

namespace weir {
namespace {

template <typename Function>
Subnetwork combined(const Subnetwork& a, const Subnetwork& b, const Function& function) {
  require(a.unit == b.unit && a.names == b.names,
          "subnetworks: expected two masks of the same parts, got {} of {}s and {} of {}s",
          a.names.size(), to_string(a.unit), b.names.size(), to_string(b.unit));
  Subnetwork result{a.unit, a.names, {}};
  for (size_t i = 0; i < a.keep.size(); ++i) {
    require(a.keep[i].sizes() == b.keep[i].sizes(), "subnetworks: '{}' has two shapes: {} and {}",
            a.names[i], c10::str(a.keep[i].sizes()), c10::str(b.keep[i].sizes()));
    result.keep.push_back(function(a.keep[i], b.keep[i]));
  }
  return result;
}

size_t index_of(const Subnetwork& mask, const std::string& name) {
  const auto found = std::find(mask.names.begin(), mask.names.end(), name);
  if (found == mask.names.end()) {
    fail(ErrorCode::kNotFound, "subnetworks: the mask has no part '{}'{}", name,
         did_you_mean(name, mask.names));
  }
  return static_cast<size_t>(found - mask.names.begin());
}

bool has(const Subnetwork& mask, const std::string& name) {
  return std::find(mask.names.begin(), mask.names.end(), name) != mask.names.end();
}

void require_weights(const Subnetwork& mask) {
  require(mask.unit == MaskUnit::kWeight, "subnetworks: expected a mask of weights, got one of {}s",
          to_string(mask.unit));
}

/// How large each masked thing is.
at::Tensor sizes_of(const MaskSpace& space, size_t part) {
  const at::Tensor& w = space.base(part);
  if (space.unit() == MaskUnit::kWeight) return w.abs();
  if (space.unit() == MaskUnit::kSvd) {
    const at::Tensor none = at::zeros(space.parts()[part].shape, w.options());
    return space.gradient(part, w - space.masked(part, none)).abs().sqrt();
  }
  const at::Tensor zero = at::zeros(space.parts()[part].shape, w.options());
  return space.gradient(part, w).add(zero).abs().sqrt();
}

}  // namespace

int64_t Subnetwork::size() const {
  int64_t sum = 0;
  for (const at::Tensor& part : keep) sum += part.numel();
  return sum;
}

int64_t Subnetwork::active() const {
  int64_t sum = 0;
  for (const at::Tensor& part : keep) sum += part.sum().item<int64_t>();
  return sum;
}

at::Tensor& Subnetwork::part(const std::string& name) { return keep[index_of(*this, name)]; }
const at::Tensor& Subnetwork::part(const std::string& name) const {
  return keep[index_of(*this, name)];
}

Subnetwork subnetwork_of(const MaskSpace& space, std::vector<at::Tensor> keep) {
  Subnetwork result;
  result.unit = space.unit();
  for (const MaskPart& part : space.parts()) result.names.push_back(part.matrix.name);
  for (at::Tensor& part : keep) part = part.to(at::kBool).contiguous();
  result.keep = std::move(keep);
  mask_values(space, result);  // Checks.
  return result;
}

Subnetwork full_subnetwork(const MaskSpace& space, bool keep) {
  std::vector<at::Tensor> parts;
  for (const MaskPart& part : space.parts()) {
    parts.push_back(at::full(part.shape, keep, at::TensorOptions().dtype(at::kBool)));
  }
  return subnetwork_of(space, std::move(parts));
}

std::vector<at::Tensor> mask_values(const MaskSpace& space, const Subnetwork& subnetwork) {
  require(subnetwork.unit == space.unit(), "subnetworks: a mask of {}s where one of {}s is needed",
          to_string(subnetwork.unit), to_string(space.unit()));
  require(subnetwork.keep.size() == space.parts().size() &&
              subnetwork.names.size() == subnetwork.keep.size(),
          "subnetworks: the mask has {} parts, the model {}; is it of another model?",
          subnetwork.keep.size(), space.parts().size());
  std::vector<at::Tensor> values;
  for (size_t i = 0; i < space.parts().size(); ++i) {
    const MaskPart& part = space.parts()[i];
    require(subnetwork.names[i] == part.matrix.name &&
                subnetwork.keep[i].sizes() == at::IntArrayRef(part.shape),
            "subnetworks: expected '{}' {}, the mask has '{}' {}; is it of another model?",
            part.matrix.name, c10::str(at::IntArrayRef(part.shape)), subnetwork.names[i],
            c10::str(subnetwork.keep[i].sizes()));
    values.push_back(subnetwork.keep[i].to(space.base(i).options()));
  }
  return values;
}

Weights applied(const MaskSpace& space, const Subnetwork& subnetwork) {
  return space.overlay(mask_values(space, subnetwork));
}

Subnetwork unite(const Subnetwork& a, const Subnetwork& b) {
  return combined(a, b, [](const at::Tensor& x, const at::Tensor& y) { return x.logical_or(y); });
}
Subnetwork intersect(const Subnetwork& a, const Subnetwork& b) {
  return combined(a, b, [](const at::Tensor& x, const at::Tensor& y) { return x.logical_and(y); });
}
Subnetwork without(const Subnetwork& a, const Subnetwork& b) { return intersect(a, complement(b)); }
Subnetwork symmetric_difference(const Subnetwork& a, const Subnetwork& b) {
  return combined(a, b, [](const at::Tensor& x, const at::Tensor& y) { return x.logical_xor(y); });
}

Subnetwork complement(const Subnetwork& of) {
  Subnetwork result = of;
  for (at::Tensor& part : result.keep) part = part.logical_not();
  return result;
}

Subnetwork shuffled(const Subnetwork& of, uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  Subnetwork result = of;
  for (at::Tensor& part : result.keep) {
    const at::Tensor order = at::randperm(part.numel(), generator, at::kLong);
    part = part.flatten().index_select(0, order).view(part.sizes());
  }
  return result;
}

Subnetwork random_subnetwork(const MaskSpace& space, double share, uint64_t seed) {
  const auto generator = at::detail::createCPUGenerator(seed);
  std::vector<at::Tensor> keep;
  for (const MaskPart& part : space.parts()) {
    keep.push_back(at::rand(part.shape, generator, at::TensorOptions().dtype(at::kFloat)) < share);
  }
  return subnetwork_of(space, std::move(keep));
}

Subnetwork largest_weights(const MaskSpace& space, double share, bool by_matrix) {
  require(share >= 0 && share <= 1, "subnetworks: expected a share from 0 to 1, got {}", share);
  std::vector<at::Tensor> sizes;
  for (size_t i = 0; i < space.parts().size(); ++i) sizes.push_back(sizes_of(space, i));
  // The smallest size that is kept: of n, the one of rank round(share n).
  const auto threshold = [&](const at::Tensor& all) {
    const auto kept = static_cast<int64_t>(std::llround(share * static_cast<double>(all.numel())));
    if (kept == 0) return std::numeric_limits<double>::infinity();
    return std::get<0>(all.kthvalue(all.numel() - kept + 1)).item<double>();
  };
  double common = 0;
  if (!by_matrix) {
    std::vector<at::Tensor> flat;
    for (const at::Tensor& part : sizes) flat.push_back(part.flatten());
    common = threshold(at::cat(flat));
  }
  for (at::Tensor& part : sizes) part = part >= (by_matrix ? threshold(part.flatten()) : common);
  return subnetwork_of(space, std::move(sizes));
}

void set_head(Subnetwork& mask, const ModelConfig& config, int64_t layer, int64_t head, bool keep) {
  require_weights(mask);
  require(head >= 0 && head < config.n_heads, "subnetworks: expected a head from 0 to {}, got {}",
          config.n_heads - 1, head);
  const int64_t k = config.d_head;
  const std::string attn = fmt::format("blocks.{}.attn.", layer);
  mask.part(attn + "W_Q").slice(1, head * k, (head + 1) * k).fill_(keep);
  mask.part(attn + "W_O").slice(0, head * k, (head + 1) * k).fill_(keep);
  if (config.n_kv_heads != config.n_heads) return;
  mask.part(attn + "W_K").slice(1, head * k, (head + 1) * k).fill_(keep);
  mask.part(attn + "W_V").slice(1, head * k, (head + 1) * k).fill_(keep);
}

void set_neurons(Subnetwork& mask, int64_t layer, const std::vector<int64_t>& neurons, bool keep) {
  require_weights(mask);
  const std::string mlp = fmt::format("blocks.{}.mlp.", layer);
  const int64_t n = mask.part(mlp + "W_out").size(0);
  for (const int64_t neuron : neurons) {
    require(neuron >= 0 && neuron < n, "subnetworks: expected a neuron from 0 to {}, got {}", n - 1,
            neuron);
    mask.part(mlp + "W_in").select(1, neuron).fill_(keep);
    if (has(mask, mlp + "W_gate")) mask.part(mlp + "W_gate").select(1, neuron).fill_(keep);
    mask.part(mlp + "W_out").select(0, neuron).fill_(keep);
  }
}

void set_layer(Subnetwork& mask, int64_t layer, bool keep) {
  require_weights(mask);
  const std::string block = fmt::format("blocks.{}.", layer);
  bool any = false;
  for (size_t i = 0; i < mask.names.size(); ++i) {
    if (mask.names[i].rfind(block, 0) != 0) continue;
    mask.keep[i].fill_(keep);
    any = true;
  }
  require(any, "subnetworks: the mask has no layer {}", layer);
}

}  // namespace weir
