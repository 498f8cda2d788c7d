#pragma once

#include <map>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/heads.h"
#include "weir/patch/grids.h"

/// Path patching (Wang et al. 2022, 2211.00593; Goldowsky-Dill et al. 2023), as the code released
/// with 2403.19521 does it: one sender (a head or an MLP) of the clean run writes something else at
/// END, every query, key and value keeps its clean value, and only the receiver hears of it.
/// docs/methods/path-patching.md.
namespace weir {

/// What the sender writes at END instead.
enum class SenderValue {
  kMeanAtRole,       ///< Mean over the corrupt prompts, each at its own END
  kMeanRawPosition,  ///< Mean over all corrupt rows at this prompt's END, pads and other roles
                     ///< included: what the released code does with prompts of unequal length
  kPerPrompt,        ///< The corrupt partner's own
  kZero,
  kResample,  ///< Another prompt's, of the corrupt run
};
SenderValue sender_value_of(const std::string& name);

enum class PathReceiver {
  kFinal,  ///< The stream that leaves the last block
  kQuery,
  kKey,
  kValue,  ///< The input of each later head (key head)
  kMlp,    ///< The input of each later MLP; a head reaches the MLP of its own layer. Not for
           ///< parallel blocks
};

struct PathOptions {
  PathReceiver receiver = PathReceiver::kFinal;
  SenderValue value = SenderValue::kMeanAtRole;
  bool freeze_mlps = false;  ///< false: MLPs between sender and receiver react.
  /// Heads as receivers: the sender's whole sequence (per prompt) is replaced and the receiver's
  /// whole input; false: both at END only.
  bool everywhere = false;
  /// kQuery at END: these heads hear of the sender all at once, and there are no receiver axes
  /// (Wang et al. 2022, §3.2). Empty: each later head by itself.
  std::vector<HeadId> together;
  std::vector<Reading> readings = {Reading::kPi, Reading::kLogitDiff};
  at::Tensor resample;  ///< int64 [B], of kResample
  at::Tensor end;       ///< int64 [B]: END of each row; undefined: the last column. kFinal only.
};

/// L layers, H heads; receivers R: nothing, [L, H] (or key heads), or [L].
struct PathGrid {
  std::map<Reading, at::Tensor> heads;  ///< [L, H, R..., B]
  std::map<Reading, at::Tensor> mlps;   ///< [L, R..., B]
  std::map<Reading, at::Tensor> clean;  ///< [B]; also the value of an entry that no path leads to
  /// 100 (mean - clean mean) / clean mean, as the released code prints it.
  at::Tensor percent(Reading reading, bool of_mlps) const;
};

/// All senders of all layers at once: with attention constant, END rows go through the MLPs alone,
/// so that L (H + 1) experiments are rows of L products. kUnsupported for models that norm the
/// stream itself.
PathGrid path_grid(const LanguageModel& lm, const PatchPairs& pairs, const PathOptions& options);

}  // namespace weir
