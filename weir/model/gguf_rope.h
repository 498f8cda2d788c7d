#pragma once

#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "weir/io/gguf.h"

/// Rotary embedding between GGUF and Hugging Face.
namespace weir {

/// "rope_theta" and "rope_scaling" from rope.freq_base, rope.scaling.*, and the tensors
/// rope_freqs.weight (Llama 3) and rope_factors_{long,short}.weight (Phi-3).
void add_rope(const io::GgufFile& file, nlohmann::json& config);

/// What rope_freqs.weight divides each frequency by, where no "rope_scaling" says the same; else
/// empty.
std::vector<double> unnamed_frequency_factors(const io::GgufFile& file);

/// True for the tensors that `add_rope` and `unnamed_frequency_factors` have read.
bool is_rope_tensor(std::string_view name);

}  // namespace weir
