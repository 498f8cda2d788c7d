#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/data/activation_source.h"
#include "weir/data/row_order.h"

namespace weir::data {

/// A source whose rows are all there: it reads them in a RowOrder. What stands behind the rows is
/// said by `gather`.
class IndexedActivations : public ActivationSource {
 public:
  const std::vector<ActivationSite>& sites() const final { return sites_; }
  const std::vector<ActivationStatistics>& statistics() const final { return statistics_; }
  int64_t n_rows() const noexcept { return order_.n_rows(); }

  ActivationBatch next(int64_t n) final;
  std::string state() const final;
  void restore(const std::string& state) final;

 protected:
  IndexedActivations(std::vector<ActivationSite> sites,
                     std::vector<ActivationStatistics> statistics, int64_t n_rows,
                     const ShuffleOptions& options);
  /// Rows by their numbers, int64 [n].
  virtual ActivationBatch gather(const at::Tensor& rows) const = 0;

 private:
  std::vector<ActivationSite> sites_;
  std::vector<ActivationStatistics> statistics_;
  ShuffleOptions options_;
  RowOrder order_;
  int64_t place_ = 0;
};

/// Rows that are tensors in memory.
class TensorActivations final : public IndexedActivations {
 public:
  /// `batch`: [n, d] of any real type for each site; tokens, positions and contexts may be
  /// undefined (then 0, 0 and the row's number). kInvalidArgument where shapes do not fit.
  TensorActivations(const std::vector<std::string>& names, const ActivationBatch& batch,
                    const ShuffleOptions& options = {});

 private:
  ActivationBatch gather(const at::Tensor& rows) const override;

  ActivationBatch all_;
};

}  // namespace weir::data
