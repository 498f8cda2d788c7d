#include "weir/sae/training/sparse_gradient.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include "weir/sae/training/chosen_rows.h"

namespace weir {
namespace {

// Entries by latent: the other way round than SparseChoice has them.
template <class T>
struct ByLatent {
  std::vector<int64_t> start;
  std::vector<int32_t> rows;
  std::vector<T> factors;
};

template <class T>
ByLatent<T> by_latent(const GradientPart<T>& part, int64_t n_latents) {
  const SparseChoice<T>& where = *part.where;
  ByLatent<T> found;
  found.start.assign(static_cast<size_t>(n_latents + 1), 0);
  for (const int32_t id : where.ids) ++found.start[static_cast<size_t>(id) + 1];
  for (size_t j = 1; j < found.start.size(); ++j) found.start[j] += found.start[j - 1];
  found.rows.resize(where.ids.size());
  found.factors.resize(where.ids.size());
  std::vector<int64_t> next(found.start.begin(), found.start.end() - 1);
  for (int64_t row = 0; row < where.n_rows(); ++row) {
    for (int64_t i = where.start[static_cast<size_t>(row)];
         i < where.start[static_cast<size_t>(row) + 1]; ++i) {
      const auto place =
          static_cast<size_t>(next[static_cast<size_t>(where.ids[static_cast<size_t>(i)])]++);
      found.rows[place] = static_cast<int32_t>(row);
      found.factors[place] = part.factors[i];
    }
  }
  return found;
}

}  // namespace

template <class T>
at::Tensor sum_by_latent(const std::vector<GradientPart<T>>& parts, int64_t n_latents, int64_t d,
                         const std::vector<int32_t>& level, const at::TensorOptions& options) {
  std::vector<ByLatent<T>> sorted;
  for (const GradientPart<T>& part : parts) sorted.push_back(by_latent(part, n_latents));
  const at::Tensor sums = at::empty({n_latents, d}, options);
  at::parallel_for(0, n_latents, 64, [&](int64_t begin, int64_t end) {
    for (int64_t j = begin; j < end; ++j) {
      T* out = sums.data_ptr<T>() + j * d;
      std::fill(out, out + d, T(0));
      for (size_t p = 0; p < parts.size(); ++p) {
        const auto first = sorted[p].start[static_cast<size_t>(j)];
        const auto n = sorted[p].start[static_cast<size_t>(j) + 1] - first;
        const int64_t h = level.empty() ? 0 : level[static_cast<size_t>(j)];
        const T* rows = parts[p].rows + h * parts[p].level_stride;
        add_rows({rows, d, sorted[p].rows.data() + first, n}, sorted[p].factors.data() + first,
                 out);
      }
    }
  });
  return sums;
}

template at::Tensor sum_by_latent(const std::vector<GradientPart<float>>&, int64_t, int64_t,
                                  const std::vector<int32_t>&, const at::TensorOptions&);
template at::Tensor sum_by_latent(const std::vector<GradientPart<double>>&, int64_t, int64_t,
                                  const std::vector<int32_t>&, const at::TensorOptions&);

}  // namespace weir
