#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "weir/io/tensor_view.h"

/// Tensor names of GGUF files in Hugging Face's terms, and what llama.cpp's converter did to the
/// values. Facts from llama.cpp's gguf package; docs/reference/formats.md has the table.
namespace weir {

/// What the converter changed in a tensor, to be undone.
enum class GgufChange {
  kNone,
  kRotaryQueryRows,  ///< Rows of each query head reordered for interleaved RoPE.
  kRotaryKeyRows,    ///< The same for key heads.
  kStackedRows,      ///< Rows (q, k, v; head; K), which Hugging Face has as (head; q, k, v; K).
  kGainPlusOne,      ///< A norm's gain, stored as 1 + w.
  kSplitThree,       ///< q, k and v in one tensor; the Hugging Face name holds "{qkv}".
};

/// One row of an architecture's table: names without ".weight" or ".bias", '*' for the layer.
struct GgufName {
  std::string_view gguf;          ///< "blk.*.attn_q"
  std::string_view hugging_face;  ///< "model.layers.*.self_attn.q_proj"
  GgufChange change = GgufChange::kNone;
};

/// Heads that the changes need to know.
struct GgufHeads {
  int64_t n_heads = 0, n_kv_heads = 0;
};

/// The tensors under their Hugging Face names with the changes undone. Only reordered rows (in
/// the form in which they are stored) and norms are copied; everything else stays on the file. A
/// tensor that the table does not know keeps its name, so that the loader names it.
io::TensorMap hugging_face_tensors(const io::TensorMap& gguf, const std::vector<GgufName>& names,
                                   const GgufHeads& heads);

}  // namespace weir
