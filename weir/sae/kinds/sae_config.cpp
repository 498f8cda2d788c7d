#include "weir/sae/kinds/sae_config.h"

#include <array>
#include <utility>

#include "weir/base/error.h"

namespace weir {
namespace {

template <class Value, size_t N>
using Names = std::array<std::pair<Value, std::string_view>, N>;

constexpr Names<SaeNormalisation, 5> kNormalisations = {
    {{SaeNormalisation::kNone, "none"},
     {SaeNormalisation::kExpectedAverage, "expected_average_only_in"},
     {SaeNormalisation::kConstantNorm, "constant_norm_rescale"},
     {SaeNormalisation::kLayerNorm, "layer_norm"},
     {SaeNormalisation::kWhitening, "whitening"}}};

using Variance = VariationalSaeConfig::Variance;
constexpr Names<Variance, 3> kVariances = {
    {{Variance::kNone, "none"}, {Variance::kFixed, "fixed"}, {Variance::kLearned, "learned"}}};

using SelectOn = VariationalSaeConfig::SelectOn;
constexpr Names<SelectOn, 3> kSelections = {
    {{SelectOn::kMu, "mu"}, {SelectOn::kZ, "z"}, {SelectOn::kAbsZ, "abs_z"}}};

template <class Value, size_t N>
std::string_view name_of(const Names<Value, N>& names, Value value) {
  for (const auto& [known, name] : names) {
    if (known == value) return name;
  }
  fail(ErrorCode::kInternal, "an enum without a name");
}

template <class Value, size_t N>
Value value_of(const Names<Value, N>& names, std::string_view name, std::string_view what) {
  std::string list;
  for (const auto& [value, known] : names) {
    if (known == name) return value;
    list += (list.empty() ? "" : ", ") + std::string(known);
  }
  fail(ErrorCode::kInvalidArgument, "unknown {} \"{}\"; known: {}", what, name, list);
}

}  // namespace

std::string_view to_string(SaeNormalisation value) { return name_of(kNormalisations, value); }
std::string_view to_string(Variance value) { return name_of(kVariances, value); }
std::string_view to_string(SelectOn value) { return name_of(kSelections, value); }

SaeNormalisation parse_sae_normalisation(std::string_view name) {
  return value_of(kNormalisations, name, "normalisation of activations");
}
Variance parse_sae_variance(std::string_view name) {
  return value_of(kVariances, name, "variance");
}
SelectOn parse_sae_selection(std::string_view name) {
  return value_of(kSelections, name, "selection");
}

}  // namespace weir
