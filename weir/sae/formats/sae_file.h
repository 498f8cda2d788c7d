#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "weir/sae/kinds/sae.h"

/// Dictionaries in the files that people keep them in. docs/reference/sae-formats.md has the table:
/// what each file holds, how it is told apart, who may write it.
namespace weir {

/// What a file may leave open. Nothing is needed for files that say all themselves.
struct LoadSaeOptions {
  std::string format;  ///< A name of `sae_formats()`; "": found out from the content.
  std::string kind;    ///< For tensors without a configuration.
  std::optional<int64_t> k;
  std::optional<bool> apply_b_dec_to_input;
  std::optional<std::string> hook;
  /// Llama Scope: SAELens' reading, whose threshold is scaled although pre-activations are not.
  bool scale_llama_scope_threshold = false;
  /// "float32", ...: the type to compute in; "": that of the file.
  std::string dtype;
  bool check_values = true;  ///< Look for NaN and infinities: reads every weight once.
};

/// A dictionary and what was learnt on the way.
struct SaeFile {
  Sae sae;
  std::string format;              ///< "saelens", "gemma-scope", ...
  std::filesystem::path file;      ///< Where its tensors lie.
  std::vector<std::string> notes;  ///< What was assumed, dropped or is easily misread; a line each.
};

/// `path`: a folder that holds one dictionary (at any depth), or the file of its tensors. Tensors
/// stay on the file's bytes where their orientation allows, in the type of the file: a dictionary
/// in bfloat16 reads and answers in bfloat16, as its owner's code does (sums run in float32).
/// kNotFound, kCorruptData, kUnsupported or kInvalidArgument in one line; what cannot be known for
/// certain is refused with the option that settles it.
SaeFile load_sae(const std::filesystem::path& path, const LoadSaeOptions& options = {});

/// Writes a folder that appears complete or not at all, in config.dtype; the folder must be new or
/// empty. "weir" keeps everything of any kind. Other formats get the same function in their own
/// terms: scale and whitening folded, b_dec moved into b_enc where they never or always subtract
/// it. kUnsupported, with the reason, for what a format cannot say. Returns notes: what was changed
/// to fit, what is left behind.
std::vector<std::string> save_sae(const Sae& sae, const std::filesystem::path& folder,
                                  const std::string& format = "weir");

struct SaeFormatInfo {
  std::string name, about;
  bool writes = false;
};
std::vector<SaeFormatInfo> sae_formats();

}  // namespace weir
