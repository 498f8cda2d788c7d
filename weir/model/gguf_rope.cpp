#include "weir/model/gguf_rope.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <nlohmann/json.hpp>

#include "weir/base/error.h"
#include "weir/io/dequantize.h"
#include "weir/io/printable.h"
#include "weir/model/gguf_metadata.h"
#include "weir/nn/rotary.h"

namespace weir {
namespace {

using nlohmann::json;

constexpr std::string_view kFrequencies = "rope_freqs.weight";
constexpr std::string_view kLong = "rope_factors_long.weight";
constexpr std::string_view kShort = "rope_factors_short.weight";
constexpr int64_t kMaxFactors = 1 << 16;

std::vector<double> factors_of(const io::GgufFile& file, std::string_view name) {
  const io::TensorView* tensor = file.tensors().find(name);
  if (tensor == nullptr) return {};
  const int64_t n = tensor->n_elements();
  if (tensor->shape.size() != 1 || n > kMaxFactors) {
    fail(ErrorCode::kCorruptData, "{}: tensor '{}' should be a short vector", file.tensors().source,
         name);
  }
  std::vector<float> stored(n);
  io::dequantize(tensor->dtype, tensor->data, n, stored.data());
  std::vector<double> factors;
  for (const float factor : stored) factors.push_back(shortest_decimal(factor));
  return factors;
}

bool are_close(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= 1e-5 * std::abs(b[i]))) return false;
  }
  return true;
}

// Llama 3's parameters, of which the file keeps only what they come to. Every published model has
// 1 and 4 for the ends of the ramp and a power of two as its original context.
std::optional<RotaryConfig> llama3_scaling(const std::vector<double>& factors, double theta) {
  RotaryConfig plain;
  plain.n_dims = 2 * static_cast<int64_t>(factors.size());
  plain.theta = theta;
  const std::vector<double> base = rotary_frequencies(plain, 1);
  RotaryConfig scaled = plain;
  scaled.scaling = "llama3";
  scaled.factor = *std::max_element(factors.begin(), factors.end());
  for (int bits = 4; bits <= 20; ++bits) {
    scaled.original_context = int64_t{1} << bits;
    std::vector<double> expected = rotary_frequencies(scaled, 1);
    for (size_t i = 0; i < base.size(); ++i) expected[i] = base[i] / expected[i];
    if (are_close(factors, expected)) return scaled;
  }
  return std::nullopt;
}

json longrope(const io::GgufFile& file) {
  return {{"type", "longrope"},
          {"long_factor", factors_of(file, kLong)},
          {"short_factor", factors_of(file, kShort)}};
}

json llama3(const RotaryConfig& scaled) {
  return {{"rope_type", "llama3"},
          {"factor", scaled.factor},
          {"low_freq_factor", scaled.low_freq_factor},
          {"high_freq_factor", scaled.high_freq_factor},
          {"original_max_position_embeddings", scaled.original_context}};
}

json named_scaling(const GgufMetadata& read, const std::string& type, double factor) {
  json scaling = {{"rope_type", type}, {"factor", factor}};
  if (type != "yarn") return scaling;
  if (read.has("rope.scaling.original_context_length")) {
    scaling["original_max_position_embeddings"] = read.size("rope.scaling.original_context_length");
  }
  for (const char* key : {"beta_fast", "beta_slow"}) {
    const std::string stored = std::string("rope.scaling.yarn_") + key;
    if (read.has(stored)) scaling[key] = read.number(stored);
  }
  return scaling;
}

double theta_of(const io::GgufFile& file) {
  return GgufMetadata(file).number_or("rope.freq_base", 10000);
}

}  // namespace

void add_rope(const io::GgufFile& file, json& config) {
  const GgufMetadata read(file);
  config["rope_theta"] = theta_of(file);
  config["rope_scaling"] = nullptr;
  if (file.tensors().find(kLong) != nullptr) {
    config["rope_scaling"] = longrope(file);
    return;
  }
  const std::vector<double> factors = factors_of(file, kFrequencies);
  if (!factors.empty()) {
    const auto scaled = llama3_scaling(factors, theta_of(file));
    if (scaled) config["rope_scaling"] = llama3(*scaled);
    return;
  }
  const std::string type = read.text_or("rope.scaling.type", "none");
  const double factor = read.number_or("rope.scaling.factor", 1);
  if (type == "none" || (type == "linear" && factor == 1)) return;
  if (type != "linear" && type != "yarn") {
    fail(ErrorCode::kUnsupported, "{}: {} '{}' is not one of none, linear, yarn",
         file.tensors().source, read.full("rope.scaling.type"), io::printable(type));
  }
  config["rope_scaling"] = named_scaling(read, type, factor);
}

std::vector<double> unnamed_frequency_factors(const io::GgufFile& file) {
  std::vector<double> factors = factors_of(file, kFrequencies);
  if (factors.empty() || llama3_scaling(factors, theta_of(file))) return {};
  return factors;
}

bool is_rope_tensor(std::string_view name) {
  return name == kFrequencies || name == kLong || name == kShort;
}

}  // namespace weir
