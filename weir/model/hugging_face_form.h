#pragma once

#include <string>
#include <vector>

#include "weir/io/safetensors.h"
#include "weir/model/loader.h"

/// A loaded checkpoint as transformers expects it: what `save_hf` writes.
namespace weir {

enum class SavedForm {
  kValues,      ///< The source's values in the wanted dtype.
  kTransposed,  ///< The same, [out, in] turned to [in, out].
  kZeros,       ///< A bias that the source does without.
  kBytes,       ///< Integers, as they are.
};

struct SavedTensor {
  io::TensorSpec spec;
  SavedForm form = SavedForm::kValues;
  io::TensorView source;
};

/// The tensors under the names, shapes and layout of the model's Hugging Face family. GPT-2 in
/// linear layers (GGUF, nanoGPT) becomes plain GPT-2.
std::vector<SavedTensor> saved_tensors(const LoadedModel& model, io::DType dtype);

/// config.json with the dtype of the saved weights ("bfloat16").
std::string saved_config(const LoadedModel& model, const std::string& dtype);

}  // namespace weir
