#include "weir/hooks/intervention.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
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

bool is_map(std::string_view name) {
  return ends_with(name, "hook_pattern") || ends_with(name, "hook_attn_scores");
}

Axes axes_of(std::string_view name, int64_t n_dims) {
  if (is_map(name)) return {2, 1, true};
  if (n_dims == 4) return {1, 2, true};
  if (n_dims == 2) return {-1, -1, false};
  return {1, -1, true};
}

at::Tensor index_tensor(const std::vector<int64_t>& index, const at::Tensor& like) {
  return at::tensor(index, at::kLong).to(like.device());
}

int64_t absolute(int64_t position, int64_t prompt_length) {
  const int64_t counted = position < 0 ? position + prompt_length : position;
  require(counted >= 0, "intervention: position {} lies before a prompt of {} tokens", position,
          prompt_length);
  return counted;
}

// The wanted positions that this forward sees, as indices along its position axis.
std::vector<int64_t> local_positions(const std::vector<int64_t>& wanted, int64_t prompt_length,
                                     int64_t first, int64_t count) {
  std::vector<int64_t> local;
  for (const int64_t position : wanted) {
    const int64_t at = absolute(position, prompt_length);
    if (at >= first && at < first + count) local.push_back(at - first);
  }
  return local;
}

void check_index(const std::vector<int64_t>& index, int64_t size, std::string_view what,
                 std::string_view name) {
  for (const int64_t i : index) {
    require(i >= 0 && i < size, "intervention: '{}' has {} {}, got {}", name, size, what, i);
  }
}

void check_list(const std::optional<std::vector<int64_t>>& list, std::string_view what,
                const std::string& where) {
  if (!list) return;
  require(!list->empty(),
          "intervention: \"{}\" of '{}' selects nothing; leave it out to select all", what, where);
  std::vector<int64_t> sorted = *list;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  fail(ErrorCode::kInvalidArgument, "intervention: \"{}\" of '{}' names {} twice", what, where,
       *twice);
}

// -1 and the last position by its number are one place too.
void check_same_place(const std::vector<int64_t>& list, std::string_view what,
                      const std::string& where, int64_t prompt_length) {
  std::vector<int64_t> counted;
  for (const int64_t position : list) {
    const int64_t at = absolute(position, prompt_length);
    require(std::find(counted.begin(), counted.end(), at) == counted.end(),
            "intervention: \"{}\" of '{}' names {} twice in a prompt of {} tokens", what, where, at,
            prompt_length);
    counted.push_back(at);
  }
}

// What is wrong with an intervention whatever it is applied to.
void check(const Intervention& intervention) {
  using Op = Intervention::Op;
  const std::string& where = intervention.where;
  check_list(intervention.positions, "positions", where);
  check_list(intervention.heads, "heads", where);
  check_list(intervention.rows, "rows", where);
  check_list(intervention.components, "components", where);
  const at::Tensor& value = intervention.value;
  require(value.defined(), "intervention: '{}' has no value", where);
  require(value.numel() > 0, "intervention: the value of '{}' is empty, its shape is {}", where,
          c10::str(value.sizes()));
  require(!value.is_complex(), "intervention: the value of '{}' is complex", where);
  if (!value.is_floating_point()) return;
  const at::Tensor flat = value.detach().flatten();
  const bool must_be_finite = intervention.op == Op::kScale || intervention.op == Op::kProject;
  const at::Tensor bad = must_be_finite ? at::isfinite(flat).logical_not() : at::isnan(flat);
  if (!bad.any().item<bool>()) return;
  const int64_t first = bad.to(at::kInt).argmax().item<int64_t>();
  fail(ErrorCode::kInvalidArgument,
       "intervention: the value of '{}' is {} at element {} of shape {}", where,
       flat[first].item<double>(), first, c10::str(value.sizes()));
}

// Rows of `directions` [n, d] made orthonormal.
at::Tensor orthonormal_rows(const at::Tensor& directions) {
  return std::get<0>(at::linalg_qr(directions.t(), "reduced")).t();
}

void check_value(const Intervention& intervention, const at::Tensor& value,
                 const at::Tensor& part) {
  const bool fits = intervention.op == Intervention::Op::kProject
                        ? (value.dim() == 1 || value.dim() == 2) && value.size(-1) == part.size(-1)
                        : broadcasts_to(value.sizes(), part.sizes());
  require(fits, "intervention: '{}' selects shape {}, the value's shape {} does not fit it",
          intervention.where, c10::str(part.sizes()), c10::str(value.sizes()));
}

at::Tensor changed(const at::Tensor& part, const Intervention& intervention,
                   const at::Tensor& fitting) {
  check_value(intervention, fitting, part);
  const at::Tensor value = fitting.to(part.options());
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
      const at::Tensor within = at::matmul(at::matmul(wide, basis.t()), basis);
      return (wide + (intervention.factor - 1) * within).to(part.scalar_type());
    }
  }
  fail(ErrorCode::kInternal, "intervention: unknown operation");
}

struct Selection {
  int64_t axis;
  std::vector<int64_t> index;
};

// True when `value` has the shape of the whole activation over the prompt: one row may serve all.
bool is_whole(const at::Tensor& value, const at::Tensor& activation, const Axes& axes,
              int64_t prompt_length) {
  if (value.dim() != activation.dim()) return false;
  for (int64_t axis = 0; axis < value.dim(); ++axis) {
    const int64_t size = value.size(axis);
    const bool one_row = axis == 0 && axes.has_rows && size == 1;
    const int64_t wanted = axis == axes.position ? prompt_length : activation.size(axis);
    if (size != wanted && !one_row) return false;
  }
  return true;
}

void select_components(const Intervention& intervention, const at::Tensor& activation,
                       const HookContext& context, int64_t prompt_length,
                       std::vector<Selection>& selections) {
  const int64_t size = activation.size(-1);
  std::vector<int64_t> index = *intervention.components;
  if (is_map(context.name)) {
    index = local_positions(index, prompt_length, 0, size);
  } else {
    check_index(index, size, "components", context.name);
  }
  selections.push_back({activation.dim() - 1, std::move(index)});
}

// The selected indices, axis by axis; an empty one where this forward sees nothing of it.
std::vector<Selection> selections_of(const Intervention& intervention, const at::Tensor& activation,
                                     const HookContext& context, const Axes& axes,
                                     int64_t prompt_length) {
  std::vector<Selection> selections;
  if (intervention.rows) {
    require(axes.has_rows, "intervention: '{}' has no row axis", context.name);
    check_index(*intervention.rows, activation.size(0), "rows", context.name);
    selections.push_back({0, *intervention.rows});
  }
  if (intervention.positions) {
    require(axes.position >= 0, "intervention: '{}' has no position axis", context.name);
    selections.push_back(
        {axes.position, local_positions(*intervention.positions, prompt_length,
                                        context.first_position, activation.size(axes.position))});
  }
  if (intervention.heads) {
    require(axes.head >= 0, "intervention: '{}' has no head axis", context.name);
    check_index(*intervention.heads, activation.size(axes.head), "heads", context.name);
    selections.push_back({axes.head, *intervention.heads});
  }
  if (intervention.components) {
    select_components(intervention, activation, context, prompt_length, selections);
  }
  return selections;
}

// A whole value, cut to what is selected.
at::Tensor cut(at::Tensor value, const std::vector<Selection>& selections, const Axes& axes,
               int64_t first_position, const std::string& where) {
  for (const Selection& selection : selections) {
    std::vector<int64_t> index = selection.index;
    if (selection.axis == 0 && axes.has_rows && value.size(0) == 1) continue;
    if (selection.axis == axes.position) {
      for (int64_t& i : index) {
        i += first_position;
        require(i < value.size(selection.axis),
                "intervention: the value of '{}' has {} positions, position {} is selected", where,
                value.size(selection.axis), i);
      }
    }
    value = value.index_select(selection.axis, index_tensor(index, value));
  }
  return value;
}

// Narrows axis by axis, changes, and puts back in the reverse order: no writing in place, so that
// caches and gradients stay right.
at::Tensor changed_part(const at::Tensor& activation, const std::vector<Selection>& selections,
                        const Intervention& intervention, const at::Tensor& value) {
  std::vector<at::Tensor> parts = {activation};
  std::vector<at::Tensor> indices;
  for (const Selection& selection : selections) {
    indices.push_back(index_tensor(selection.index, activation));
    parts.push_back(parts.back().index_select(selection.axis, indices.back()));
  }
  at::Tensor result = changed(parts.back(), intervention, value);
  for (size_t i = selections.size(); i-- > 0;) {
    result = parts[i].index_copy(selections[i].axis, indices[i], result);
  }
  return result;
}

bool fits_part(const at::Tensor& value, const at::Tensor& activation,
               const std::vector<Selection>& selections) {
  std::vector<int64_t> shape = activation.sizes().vec();
  for (const Selection& selection : selections) {
    shape[selection.axis] = static_cast<int64_t>(selection.index.size());
  }
  return broadcasts_to(value.sizes(), shape);
}

Intervention::File file_from_json(const json& value) {
  require(value.contains("file") && value.contains("key"),
          "intervention: a value object needs \"file\" and \"key\"");
  return {value.at("file").get<std::string>(), value.at("key").get<std::string>()};
}

at::Tensor value_from_json(const json& value, const std::string& folder) {
  if (value.is_number()) return at::scalar_tensor(value.get<double>());
  if (value == "-inf") return at::scalar_tensor(-std::numeric_limits<double>::infinity());
  if (value.is_object()) {
    const Intervention::File from = file_from_json(value);
    const auto path = std::filesystem::path(folder) / from.file;  // An absolute one stays itself.
    return to_tensor(read_tensors(path.string()).at(from.key));
  }
  require(value.is_array() && !value.empty(),
          "intervention: expected \"value\" to be a number, \"-inf\", a list or {{file, key}}");
  std::vector<at::Tensor> items;
  for (const json& item : value) items.push_back(value_from_json(item, folder));
  for (const at::Tensor& item : items) {
    require(item.sizes() == items[0].sizes(),
            "intervention: the lists of \"value\" differ in length");
  }
  return at::stack(items);
}

json value_to_json(const at::Tensor& value) {
  if (value.dim() == 0) {
    const double number = value.item<double>();
    if (number == -std::numeric_limits<double>::infinity()) return "-inf";
    return number;
  }
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
  require(object.at(key).is_array(), "intervention: \"{}\" must be a list of integers", key);
  std::vector<int64_t> list;
  for (const json& item : object.at(key)) {
    const bool is_too_big =
        item.is_number_unsigned() &&
        item.get<uint64_t>() > static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    require(item.is_number_integer() && !is_too_big,
            "intervention: \"{}\" must be a list of integers of 64 bits", key);
    list.push_back(item.get<int64_t>());
  }
  return list;
}

Intervention one_from_json(const json& object, const std::string& folder) {
  require(object.is_object(), "intervention: expected an object with where, op and value");
  for (const auto& [key, unused] : object.items()) {
    const bool known = key == "where" || key == "positions" || key == "heads" || key == "rows" ||
                       key == "components" || key == "op" || key == "value" || key == "factor";
    require(known,
            "intervention: unknown key '{}'; known: where, positions, heads, rows, components, op, "
            "value, factor",
            key);
  }
  require(object.contains("where") && object.contains("value"),
          "intervention: \"where\" and \"value\" are required");
  Intervention result;
  result.where = object.at("where").get<std::string>();
  result.positions = index_list(object, "positions");
  result.heads = index_list(object, "heads");
  result.rows = index_list(object, "rows");
  result.components = index_list(object, "components");
  const std::string op = object.value("op", "replace");
  bool known = false;
  for (const auto& [operation, name] : kOps) {
    if (op == name) {
      result.op = operation;
      known = true;
    }
  }
  require(known, "intervention: op must be replace, add, scale or project, got '{}'", op);
  if (object.contains("factor")) {
    require(result.op == Intervention::Op::kProject && object.at("factor").is_number(),
            "intervention: \"factor\" is a number and goes with op project");
    result.factor = object.at("factor").get<double>();
  }
  const json& value = object.at("value");
  result.value = value_from_json(value, folder);
  if (value.is_object()) result.value_file = file_from_json(value);
  check(result);
  return result;
}

bool selects_all(const Intervention& intervention) {
  return !intervention.positions && !intervention.heads && !intervention.rows &&
         !intervention.components;
}

}  // namespace

at::Tensor apply(const Intervention& intervention, const at::Tensor& activation,
                 const HookContext& context, int64_t prompt_length) {
  const Axes axes = axes_of(context.name, activation.dim());
  std::vector<Selection> selections =
      selections_of(intervention, activation, context, axes, prompt_length);
  at::Tensor value = intervention.value;
  require(value.defined(), "intervention: '{}' has no value", intervention.where);
  const bool may_cut = intervention.op != Intervention::Op::kProject && axes.position >= 0 &&
                       is_whole(value, activation, axes, prompt_length);
  const bool beyond_prompt = may_cut && value.size(axes.position) != activation.size(axes.position);
  if (beyond_prompt && !intervention.positions && prompt_length > 1) {
    // It says what happens in the prompt alone.
    std::vector<int64_t> prompt(static_cast<size_t>(prompt_length));
    for (int64_t i = 0; i < prompt_length; ++i) prompt[i] = i;
    selections.push_back(
        {axes.position, local_positions(prompt, prompt_length, context.first_position,
                                        activation.size(axes.position))});
  }
  for (const Selection& selection : selections) {
    if (selection.index.empty()) return activation;
  }
  if (may_cut && (intervention.value_file || !fits_part(value, activation, selections))) {
    value = cut(value, selections, axes, context.first_position, intervention.where);
  }
  return changed_part(activation, selections, intervention, value);
}

std::vector<std::string> never_reached(const std::vector<Intervention>& interventions,
                                       const std::vector<std::string>& names, int64_t prompt_length,
                                       int64_t n_positions) {
  std::vector<std::string> lines;
  const auto look = [&](const Intervention& intervention, const auto& list, const char* what) {
    if (!list) return;
    for (const int64_t position : *list) {
      if (absolute(position, prompt_length) < n_positions) continue;
      lines.push_back(fmt::format("intervention: '{}': {} {} is past a sequence of {} positions",
                                  intervention.where, what, position, n_positions));
      return;
    }
  };
  for (const Intervention& intervention : interventions) {
    look(intervention, intervention.positions, "position");
    const bool selects_keys =
        intervention.components && std::any_of(names.begin(), names.end(), [&](const auto& name) {
          return is_map(name) && glob_matches(intervention.where, name);
        });
    if (selects_keys) look(intervention, intervention.components, "key");
  }
  return lines;
}

std::vector<std::unique_ptr<ScopedHook>> attach(Hooks& hooks,
                                                const std::vector<Intervention>& interventions,
                                                int64_t prompt_length, bool grows) {
  std::vector<std::unique_ptr<ScopedHook>> guards;
  for (const Intervention& intervention : interventions) {
    check(intervention);
    if (intervention.positions) {
      check_same_place(*intervention.positions, "positions", intervention.where, prompt_length);
    }
    // A value that spans positions says nothing of those that will come.
    const bool is_whole_value = intervention.op == Intervention::Op::kReplace &&
                                selects_all(intervention) &&
                                (!grows || intervention.value.dim() <= 1);
    for (const std::string& name : hooks.match(intervention.where)) {
      if (intervention.components && is_map(name)) {
        check_same_place(*intervention.components, "components", intervention.where, prompt_length);
      }
      // Given values come before all functions: only the first change of a place may be one.
      if (is_whole_value && !hooks.wants(name)) {
        guards.push_back(std::make_unique<ScopedHook>(hooks, name, intervention.value));
        continue;
      }
      guards.push_back(std::make_unique<ScopedHook>(
          hooks, name,
          HookFn([intervention, prompt_length](const at::Tensor& activation,
                                               const HookContext& context) {
            return apply(intervention, activation, context, prompt_length);
          })));
    }
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
    if (intervention.factor != 0) object["factor"] = intervention.factor;
    if (intervention.positions) object["positions"] = *intervention.positions;
    if (intervention.heads) object["heads"] = *intervention.heads;
    if (intervention.rows) object["rows"] = *intervention.rows;
    if (intervention.components) object["components"] = *intervention.components;
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
