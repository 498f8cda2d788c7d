#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/data/activation_statistics.h"

/// Activations of a model as rows to train on, whatever they come from: tensors, a store on disk
/// (activation_store.h), a model that runs meanwhile (weir/sae/harvest.h).
namespace weir::data {

/// A hook point that activations were taken at.
struct ActivationSite {
  std::string name;   ///< "blocks.15.hook_resid_post"
  int64_t width = 0;  ///< d; heads side by side (hook_z: H times d_head).
};

/// Rows of all sites, row i of each from the same token.
struct ActivationBatch {
  std::vector<at::Tensor> activations;  ///< float32 [n, d] for each site, in the order of sites().
  at::Tensor tokens;                    ///< int64 [n]: the token at the row's place.
  at::Tensor positions;                 ///< int64 [n]: its position in the context, from 0.
  at::Tensor contexts;                  ///< int64 [n]: the number of the context in the corpus.

  int64_t size() const { return tokens.defined() ? tokens.size(0) : 0; }
};

/// Hands out rows in an order that depends on nothing but the source's own options: the same on
/// every machine, whatever the sizes of the batches that are asked for. For one thread.
///
///     while (true) {
///       const data::ActivationBatch batch = source.next(4096);
///       if (batch.size() == 0) break;  // Never, when the source has no end.
///       train(batch.activations[0]);
///     }
class ActivationSource {
 public:
  virtual ~ActivationSource() = default;

  virtual const std::vector<ActivationSite>& sites() const = 0;
  /// Of each site, over all rows; where rows are made meanwhile, over the first ones.
  virtual const std::vector<ActivationStatistics>& statistics() const = 0;

  /// The next n >= 1 rows; fewer only where the source ends, none after that.
  virtual ActivationBatch next(int64_t n) = 0;

  /// Where it stands, as one line of text; another source of the same data and options that is
  /// given it goes on with the same rows. kInvalidArgument when it is the state of another one.
  virtual std::string state() const = 0;
  virtual void restore(const std::string& state) = 0;

  /// The place of a site in a batch; kNotFound names the nearest.
  int64_t index_of(const std::string& site) const;
};

}  // namespace weir::data
