#include "weir/hooks/intervention.h"

#include <filesystem>
#include <memory>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "weir/base/ends_with.h"
#include "weir/base/error.h"
#include "weir/tensor/convert.h"
#include "weir/tensor/half_precision.h"

namespace weir {
namespace {

using nlohmann::json;

struct Axes {
  int64_t position;  // -1: none
  int64_t head;      // -1: none
  bool has_rows;  // False for q_norm and k_norm, which see rows, positions and heads as one axis.
};

Axes axes_of(std::string_view name, int64_t n_dims) {
  if (ends_with(name, "hook_pattern") || ends_with(name, "hook_attn_scores")) return {2, 1, true};
  if (n_dims == 4) return {1, 2, true};
  if (n_dims == 2) return {-1, -1, false};
  return {1, -1, true};
}

at::Tensor index_tensor(const std::vector<int64_t>& index, const at::Tensor& like) {
  return at::tensor(index, at::kLong).to(like.device());
}

// The wanted positions that this forward sees, as indices along its position axis.
std::vector<int64_t> local_positions(const std::vector<int64_t>& wanted, int64_t prompt_length,
                                     int64_t first, int64_t count) {
  std::vector<int64_t> local;
  for (const int64_t position : wanted) {
    const int64_t absolute = position < 0 ? position + prompt_length : position;
    require(absolute >= 0, "intervention: position {} lies before a prompt of {} tokens", position,
            prompt_length);
    if (absolute >= first && absolute < first + count) local.push_back(absolute - first);
  }
  return local;
}

void check_index(const std::vector<int64_t>& index, int64_t size, std::string_view what,
                 std::string_view name) {
  for (const int64_t i : index) {
    require(i >= 0 && i < size, "intervention: '{}' has {} {}, got {}", name, size, what, i);
  }
}

// Rows of `directions` [n, d] made orthonormal.
at::Tensor orthonormal_rows(const at::Tensor& directions) {
  return std::get<0>(at::linalg_qr(directions.t(), "reduced")).t();
}

bool broadcasts_to(at::IntArrayRef from, at::IntArrayRef shape) {
  if (from.size() > shape.size()) return false;
  for (size_t i = 1; i <= from.size(); ++i) {
    const int64_t size = from[from.size() - i];
    if (size != 1 && size != shape[shape.size() - i]) return false;
  }
  return true;
}

void check_value(const Intervention& intervention, const at::Tensor& part) {
  const at::Tensor& value = intervention.value;
  require(value.defined(), "intervention: '{}' has no value", intervention.where);
  const bool fits = intervention.op == Intervention::Op::kProject
                        ? (value.dim() == 1 || value.dim() == 2) && value.size(-1) == part.size(-1)
                        : broadcasts_to(value.sizes(), part.sizes());
  require(fits, "intervention: '{}' selects shape {}, the value's shape {} does not fit it",
          intervention.where, c10::str(part.sizes()), c10::str(value.sizes()));
}

at::Tensor changed(const at::Tensor& part, const Intervention& intervention) {
  check_value(intervention, part);
  const at::Tensor value = intervention.value.to(part.options());
  switch (intervention.op) {
    case Intervention::Op::kReplace:
      return value.expand_as(part);
    case Intervention::Op::kAdd:
      return part + value;
    case Intervention::Op::kScale:
      return part * value;
    case Intervention::Op::kProject: {
      const at::Tensor directions = widened(value.dim() == 1 ? value.unsqueeze(0) : value);
      const at::Tensor basis = orthonormal_rows(directions), wide = widened(part);
      return (wide - at::matmul(at::matmul(wide, basis.t()), basis)).to(part.scalar_type());
    }
  }
  fail(ErrorCode::kInternal, "intervention: unknown operation");
}

at::Tensor apply(const Intervention& intervention, const at::Tensor& activation,
                 const HookContext& context, int64_t prompt_length) {
  const Axes axes = axes_of(context.name, activation.dim());
  std::vector<std::pair<int64_t, at::Tensor>> selections;  // axis, index
  if (intervention.rows) {
    require(axes.has_rows, "intervention: '{}' has no row axis", context.name);
    check_index(*intervention.rows, activation.size(0), "rows", context.name);
    selections.emplace_back(0, index_tensor(*intervention.rows, activation));
  }
  if (intervention.positions) {
    require(axes.position >= 0, "intervention: '{}' has no position axis", context.name);
    const std::vector<int64_t> local =
        local_positions(*intervention.positions, prompt_length, context.first_position,
                        activation.size(axes.position));
    if (local.empty()) return activation;
    selections.emplace_back(axes.position, index_tensor(local, activation));
  }
  if (intervention.heads) {
    require(axes.head >= 0, "intervention: '{}' has no head axis", context.name);
    check_index(*intervention.heads, activation.size(axes.head), "heads", context.name);
    selections.emplace_back(axes.head, index_tensor(*intervention.heads, activation));
  }
  if (selections.empty()) return changed(activation, intervention);
  // Narrow axis by axis, change, and put back in the reverse order: no writing in place, so that
  // caches and gradients stay right.
  std::vector<at::Tensor> parts = {activation};
  for (const auto& [axis, index] : selections) {
    parts.push_back(parts.back().index_select(axis, index));
  }
  at::Tensor result = changed(parts.back(), intervention);
  for (size_t i = selections.size(); i-- > 0;) {
    result = parts[i].index_copy(selections[i].first, selections[i].second, result);
  }
  return result;
}

Intervention::File file_from_json(const json& value) {
  require(value.contains("file") && value.contains("key"),
          "intervention: a value object needs \"file\" and \"key\"");
  return {value.at("file").get<std::string>(), value.at("key").get<std::string>()};
}

at::Tensor value_from_json(const json& value, const std::string& folder) {
  if (value.is_number()) return at::scalar_tensor(value.get<double>());
  if (value.is_object()) {
    const Intervention::File from = file_from_json(value);
    const auto path = std::filesystem::path(folder) / from.file;  // An absolute one stays itself.
    return to_tensor(read_tensors(path.string()).at(from.key));
  }
  require(value.is_array() && !value.empty(),
          "intervention: expected \"value\" to be a number, a list or {{file, key}}");
  std::vector<at::Tensor> items;
  for (const json& item : value) items.push_back(value_from_json(item, folder));
  for (const at::Tensor& item : items) {
    require(item.sizes() == items[0].sizes(),
            "intervention: the lists of \"value\" differ in length");
  }
  return at::stack(items);
}

json value_to_json(const at::Tensor& value) {
  if (value.dim() == 0) return value.item<double>();
  json list = json::array();
  for (int64_t i = 0; i < value.size(0); ++i) list.push_back(value_to_json(value[i]));
  return list;
}

constexpr std::pair<Intervention::Op, const char*> kOps[] = {
    {Intervention::Op::kReplace, "replace"},
    {Intervention::Op::kAdd, "add"},
    {Intervention::Op::kScale, "scale"},
    {Intervention::Op::kProject, "project"}};

std::optional<std::vector<int64_t>> index_list(const json& object, const char* key) {
  if (!object.contains(key) || object.at(key).is_null()) return std::nullopt;
  std::vector<int64_t> list;
  for (const json& item : object.at(key)) {
    require(item.is_number_integer(), "intervention: \"{}\" must be a list of integers", key);
    list.push_back(item.get<int64_t>());
  }
  return list;
}

Intervention one_from_json(const json& object, const std::string& folder) {
  require(object.is_object(), "intervention: expected an object with where, op and value");
  for (const auto& [key, unused] : object.items()) {
    const bool known = key == "where" || key == "positions" || key == "heads" || key == "rows" ||
                       key == "op" || key == "value";
    require(known,
            "intervention: unknown key '{}'; known: where, positions, heads, rows, op, value", key);
  }
  require(object.contains("where") && object.contains("value"),
          "intervention: \"where\" and \"value\" are required");
  Intervention result;
  result.where = object.at("where").get<std::string>();
  result.positions = index_list(object, "positions");
  result.heads = index_list(object, "heads");
  result.rows = index_list(object, "rows");
  const std::string op = object.value("op", "replace");
  bool known = false;
  for (const auto& [operation, name] : kOps) {
    if (op == name) {
      result.op = operation;
      known = true;
    }
  }
  require(known, "intervention: op must be replace, add, scale or project, got '{}'", op);
  const json& value = object.at("value");
  result.value = value_from_json(value, folder);
  if (value.is_object()) result.value_file = file_from_json(value);
  return result;
}

}  // namespace

std::vector<std::unique_ptr<ScopedHook>> attach(Hooks& hooks,
                                                const std::vector<Intervention>& interventions,
                                                int64_t prompt_length) {
  std::vector<std::unique_ptr<ScopedHook>> guards;
  for (const Intervention& intervention : interventions) {
    guards.push_back(std::make_unique<ScopedHook>(
        hooks, intervention.where,
        [intervention, prompt_length](const at::Tensor& activation, const HookContext& context) {
          return apply(intervention, activation, context, prompt_length);
        }));
  }
  return guards;
}

std::vector<Intervention> interventions_from_json(const json& value, const std::string& folder) {
  std::vector<Intervention> result;
  try {
    if (!value.is_array()) return {one_from_json(value, folder)};
    for (const json& item : value) result.push_back(one_from_json(item, folder));
  } catch (const json::exception& error) {
    fail(ErrorCode::kInvalidArgument, "intervention: {}", error.what());
  }
  return result;
}

json interventions_to_json(const std::vector<Intervention>& interventions) {
  json list = json::array();
  for (const Intervention& intervention : interventions) {
    json object = {{"where", intervention.where}};
    for (const auto& [value, name] : kOps) {
      if (value == intervention.op) object["op"] = name;
    }
    if (intervention.positions) object["positions"] = *intervention.positions;
    if (intervention.heads) object["heads"] = *intervention.heads;
    if (intervention.rows) object["rows"] = *intervention.rows;
    if (intervention.value_file) {
      object["value"] = {{"file", intervention.value_file->file},
                         {"key", intervention.value_file->key}};
    } else {
      object["value"] = value_to_json(intervention.value.to(at::kDouble));
    }
    list.push_back(std::move(object));
  }
  return list;
}

}  // namespace weir
