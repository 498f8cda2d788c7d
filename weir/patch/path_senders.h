#pragma once

#include "weir/patch/experiments.h"
#include "weir/patch/frozen_stream.h"
#include "weir/patch/path_patching.h"

/// What path patching's senders write, from the clean and the corrupt run. Not for other rooms.
namespace weir {

/// Where a receiver's input is changed; "" for the last stream.
std::string site_of(PathReceiver receiver);

class PathSenders {
 public:
  PathSenders(const LanguageModel& lm, const PatchPairs& pairs, const PathOptions& options);

  const CleanRun& run() const { return run_; }
  const Experiments& clean() const { return clean_; }

  /// [H, B, T', D]: attention's output when one head writes its other value.
  at::Tensor head_writes(int64_t layer) const;
  at::Tensor mlp_write(int64_t layer) const;

 private:
  /// The clean activation where experiments look: at END, or everywhere.
  at::Tensor kept(const std::string& name) const;
  at::Tensor written(int64_t layer, const at::Tensor& z) const;
  /// What a sender's activation becomes, of the shape of `kept`.
  at::Tensor value(const std::string& name) const;

  const LanguageModel& lm_;
  const PathOptions& options_;
  Experiments clean_, corrupt_;
  at::Tensor end_;
  CleanRun run_;
};

}  // namespace weir
