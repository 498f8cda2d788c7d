#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "weir/data/activation_block.h"
#include "weir/data/batches.h"
#include "weir/lm/language_model.h"

namespace weir {

/// Which activations are taken, and which tokens give none.
struct HarvestOptions {
  /// Globs of hook names whose activations are [B, T, ...]; what follows is flattened (hook_z:
  /// heads side by side).
  std::vector<std::string> names;
  /// Contexts run at once; 0: as many as make about 4096 tokens.
  int64_t batch_contexts = 0;
  /// Each context begins with the model's BOS, in front of T - 1 tokens of the corpus.
  bool prepend_bos = false;

  /// The first positions of a context (with packed documents: of each document) are left out: what
  /// stands there is a sink of attention and says little of its token. In SmolLM2-135M's layer 15
  /// their norm is 140 times the median.
  int64_t skip_positions = 1;
  /// Tokens with these ids are left out.
  std::vector<int64_t> skip_tokens;
  /// Tokens whose norm at any site is above this many times the site's median are left out; 0:
  /// none.
  double max_norm_multiple = 10;
  int64_t limit_tokens = 16384;  ///< Tokens of the first contexts, of which the median is taken.
};

/// Runs a model over the rows of a corpus, context after context, and takes the activations of
/// several sites from each forward, which ends with the last layer that is needed.
///
///     Harvester harvester(lm, rows, {{"blocks.15.hook_resid_post"}});
///     while (harvester.n_contexts() < 1000) use(harvester.next());
///
/// Context c is row c of `rows` (data::TokenRows), whatever order these are in. The activations are
/// those of a plain run of the same tokens.
class Harvester {
 public:
  /// From context `first` on, with the limits that an earlier harvester of the same corpus found
  /// (`norm_limits`; empty: they are found with the first contexts, so `first` is 0 then). `lm` and
  /// `rows` must outlive it. kNotFound for names that match nothing; kInvalidArgument for a model
  /// without BOS, or activations that are not one vector a token (maps of attention).
  Harvester(const LanguageModel& lm, const data::TokenRows& rows, const HarvestOptions& options,
            int64_t first = 0, std::vector<double> norm_limits = {});

  const std::vector<data::ActivationSite>& sites() const { return sites_; }
  /// T, BOS included.
  int64_t context_length() const { return length_; }
  /// Contexts run so far, those before `first` included: the number of the next one.
  int64_t n_contexts() const { return next_context_; }
  /// Of each site, 0 where there is none; found by the first `next`.
  const std::vector<double>& norm_limits() const { return norm_limits_; }

  /// The next contexts, at most `most` of them: those of one forward, but at the start as many as
  /// the limits need.
  data::ActivationBlock next(int64_t most);

 private:
  struct Taken;
  Taken take(int64_t n);
  void find_limits(const Taken& taken);
  data::ActivationBlock filtered(Taken taken) const;

  const LanguageModel& lm_;
  const data::TokenRows& rows_;
  HarvestOptions options_;
  int64_t length_, next_context_;
  int64_t bos_ = -1;
  std::vector<std::string> names_;
  std::vector<data::ActivationSite> sites_;
  std::vector<double> norm_limits_;
};

/// Tokens of a context for which TokenRows with these options must be made: T, or T - 1 before
/// which BOS is put.
int64_t corpus_row_length(int64_t context_length, const HarvestOptions& options);

}  // namespace weir
