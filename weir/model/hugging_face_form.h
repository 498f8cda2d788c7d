#pragma once

#include <string>
#include <vector>

#include "weir/io/safetensors.h"
#include "weir/model/loader.h"

/// A model as transformers expects it: what `save_hf` writes.
namespace weir {

/// A parameter's current value and its part of a saved tensor.
struct SavedPiece {
  Origin origin;
  Matrix matrix;      ///< Or
  at::Tensor vector;  ///< one of both; neither: `neutral` stands there.
  double neutral = 0;
};

struct SavedTensor {
  io::TensorSpec spec;
  std::vector<SavedPiece> pieces;  ///< Empty: `source` as it is (buffers, integers).
  bool turned = false;             ///< [out, in] is written as [in, out].
  io::TensorView source;           ///< What the checkpoint has under that name, if it has it.
};

/// The tensors under the names, shapes and layout of the model's Hugging Face family. GPT-2 in
/// linear layers (GGUF, nanoGPT) becomes plain GPT-2. kUnsupported names a parameter without place.
std::vector<SavedTensor> saved_tensors(const LoadedModel& model, io::DType dtype);

/// config.json with the dtype of the saved weights ("bfloat16") and whether the tables are tied.
std::string saved_config(const LoadedModel& model, const std::string& dtype);

}  // namespace weir
