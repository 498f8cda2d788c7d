#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/json.h"
#include "weir/io/safetensors.h"
#include "weir/subnet/mask_pickle.h"
#include "weir/subnet/subnetwork.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr const char* kFormat = "weir.mask";
constexpr int64_t kBits = 8;

at::Tensor bit_values() {
  return at::tensor(std::vector<uint8_t>{1, 2, 4, 8, 16, 32, 64, 128}, at::kByte);
}

at::Tensor packed(const at::Tensor& keep) {
  const at::Tensor bits = keep.flatten().to(at::kByte);
  const at::Tensor whole = at::constant_pad_nd(bits, {0, (kBits - bits.numel() % kBits) % kBits});
  return (whole.view({-1, kBits}) * bit_values()).sum(1, false, at::kByte);
}

at::Tensor unpacked(const at::Tensor& bytes, const std::vector<int64_t>& shape) {
  const int64_t n = c10::multiply_integers(shape);
  const at::Tensor bits = bytes.unsqueeze(1).bitwise_and(bit_values()) != 0;
  return bits.flatten().slice(0, 0, n).clone().view(shape);
}

Subnetwork own_file(const io::TensorMap& file) {
  const auto text = [&](const char* key) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end()) {
      fail(ErrorCode::kCorruptData, "{}: a mask without '{}' in its metadata", file.source, key);
    }
    return found->second;
  };
  Subnetwork mask;
  mask.unit = mask_unit_of(text("unit"));
  const auto parts = io::parse_json(text("parts"), file.source);
  for (const auto& entry : parts) {
    const bool is_good =
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_array();
    if (!is_good) fail(ErrorCode::kCorruptData, "{}: 'parts' lists no masks", file.source);
    mask.names.push_back(entry[0]);
    std::vector<int64_t> shape;
    for (const auto& size : entry[1]) shape.push_back(size.get<int64_t>());
    const at::Tensor bytes = to_tensor(file.at(mask.names.back()));
    int64_t n = 1;
    for (const int64_t size : shape) n *= size;
    if (bytes.scalar_type() != at::kByte || bytes.dim() != 1 ||
        bytes.size(0) != (n + kBits - 1) / kBits) {
      fail(ErrorCode::kCorruptData, "{}: '{}' has not a bit for each of {} entries", file.source,
           mask.names.back(), n);
    }
    mask.keep.push_back(unpacked(bytes, shape));
  }
  return mask;
}

}  // namespace

void save_subnetwork(const Subnetwork& subnetwork, const std::filesystem::path& file,
                     const std::map<std::string, std::string>& notes) {
  auto parts = nlohmann::ordered_json::array();
  std::vector<io::TensorView> views;
  for (size_t i = 0; i < subnetwork.names.size(); ++i) {
    parts.push_back({subnetwork.names[i], subnetwork.keep[i].sizes().vec()});
    views.push_back(to_view(subnetwork.names[i], packed(subnetwork.keep[i])));
  }
  std::map<std::string, std::string> metadata = notes;
  metadata["format"] = kFormat;
  metadata["unit"] = to_string(subnetwork.unit);
  metadata["parts"] = io::dump_json(parts);
  metadata["active"] = std::to_string(subnetwork.active());
  metadata["size"] = std::to_string(subnetwork.size());
  io::write_safetensors(file, views, metadata);
}

Subnetwork load_subnetwork(const std::filesystem::path& path, const LoadedModel& model,
                           const std::string& prefix) {
  const bool is_pickle = path.extension() == ".pickle" || path.extension() == ".pkl";
  const io::TensorMap file = is_pickle ? read_mask_pickle(path) : read_tensors(path.string());
  const auto format = file.metadata.find("format");
  if (format != file.metadata.end() && format->second == kFormat) return own_file(file);
  std::map<std::string, at::Tensor> tensors;
  for (const io::TensorView& view : file.tensors) {
    if (view.name.rfind(prefix, 0) == 0) tensors[view.name.substr(prefix.size())] = to_tensor(view);
  }
  Subnetwork mask;
  for (const BlockMatrix& matrix : block_matrices(model.weights)) {
    mask.names.push_back(matrix.name);
  }
  for (const at::Tensor& part : from_hugging_face(model, tensors)) {
    mask.keep.push_back((part > 0).contiguous());
  }
  return mask;
}

namespace {

/// The origins of the block matrices, in their order.
std::vector<const Origin*> origins_of(const LoadedModel& model) {
  std::map<std::string, const Origin*> by_name;
  for (const Origin& origin : model.origins) by_name[origin.parameter] = &origin;
  std::vector<const Origin*> all;
  for (const BlockMatrix& matrix : block_matrices(model.weights)) {
    const auto found = by_name.find(matrix.name);
    if (found == by_name.end()) {
      fail(ErrorCode::kUnsupported, "masks: '{}' has no place in files of the family '{}'",
           matrix.name, model.config.family);
    }
    all.push_back(found->second);
  }
  return all;
}

}  // namespace

std::vector<at::Tensor> from_hugging_face(const LoadedModel& model,
                                          const std::map<std::string, at::Tensor>& tensors) {
  std::vector<at::Tensor> parts;
  for (const Origin* origin : origins_of(model)) {
    const auto found = tensors.find(origin->tensor);
    if (found == tensors.end()) {
      fail(ErrorCode::kNotFound, "masks: expected '{}', as this model has it; found {} tensors",
           origin->tensor, tensors.size());
    }
    require(found->second.sizes() == at::IntArrayRef(origin->shape),
            "masks: expected '{}' of shape {}, got {}", origin->tensor,
            c10::str(at::IntArrayRef(origin->shape)), c10::str(found->second.sizes()));
    const at::Tensor part =
        region_of(found->second, *origin).flatten(origin->axis, origin->axis + 1);
    parts.push_back(origin->transposed ? part.t() : part);
  }
  return parts;
}

std::map<std::string, at::Tensor> to_hugging_face(const LoadedModel& model,
                                                  const std::vector<at::Tensor>& parts) {
  const std::vector<const Origin*> origins = origins_of(model);
  require(parts.size() == origins.size(), "masks: expected {} parts, got {}", origins.size(),
          parts.size());
  std::map<std::string, at::Tensor> tensors;
  for (size_t i = 0; i < parts.size(); ++i) {
    at::Tensor& stored = tensors[origins[i]->tensor];
    if (!stored.defined()) stored = at::zeros(origins[i]->shape, parts[i].options());
    store(parts[i], *origins[i], stored);
  }
  return tensors;
}

}  // namespace weir
