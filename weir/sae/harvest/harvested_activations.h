#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/data/activation_source.h"
#include "weir/sae/harvest/harvester.h"

namespace weir {

struct StreamOptions {
  /// Contexts whose rows are in memory at once, in random order. Rows of `TokenRows` that are
  /// shuffled come from anywhere in the corpus, so that a buffer of 1,000 contexts mixes 1,000
  /// places.
  int64_t buffer_contexts = 512;
  uint64_t seed = 0;
  int64_t n_contexts = 0;  ///< Ends behind these; 0: never, epoch after epoch of the rows.
};

/// Activations of a model that runs meanwhile; nothing touches the disk. A buffer is filled, handed
/// out in an order of its own, filled again. Memory: the buffer and a forward. Statistics and
/// limits of the norm are those of the first buffer. A state that lies in a later buffer costs one
/// filling to go on from.
class HarvestedActivations final : public data::ActivationSource {
 public:
  /// Fills the first buffer. `lm` and `rows` must outlive it.
  HarvestedActivations(const LanguageModel& lm, const data::TokenRows& rows,
                       const HarvestOptions& options, const StreamOptions& stream = {});

  const std::vector<data::ActivationSite>& sites() const override { return sites_; }
  const std::vector<data::ActivationStatistics>& statistics() const override { return statistics_; }
  /// Of all buffers filled so far.
  const data::DropCounts& dropped() const { return dropped_; }

  data::ActivationBatch next(int64_t n) override;
  std::string state() const override;
  void restore(const std::string& state) override;

 private:
  bool fill(int64_t buffer);

  const LanguageModel& lm_;
  const data::TokenRows& rows_;
  HarvestOptions options_;
  StreamOptions stream_;
  std::vector<double> norm_limits_;
  std::vector<data::ActivationSite> sites_;
  std::vector<data::ActivationStatistics> statistics_;
  data::DropCounts dropped_;
  int64_t buffer_ = -1, place_ = 0;  ///< Number of the buffer; rows of it that are gone.
  data::ActivationBatch filled_;
};

}  // namespace weir
