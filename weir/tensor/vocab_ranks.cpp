#include "weir/tensor/vocab_ranks.h"

#include <algorithm>
#include <limits>

#include <ATen/ATen.h>

#include "weir/tensor/vocab_tiles.h"

namespace weir::vocab {

RankedTargets::RankedTargets(const at::Tensor& x, const Matrix& W_U, const at::Tensor& b_U,
                             const at::Tensor& ids, double softcap)
    : logit(ids.size(0)), above(ids.size(0)), rank(ids.size(0), 0) {
  constexpr double kRounding = 4 * std::numeric_limits<float>::epsilon();
  for (int64_t first = 0; first < x.size(0); first += kRowsAtOnce) {
    const int64_t last = std::min(first + kRowsAtOnce, x.size(0));
    const at::Tensor rows = x.slice(0, first, last);
    const at::Tensor part = ids.slice(0, first, last).to(x.device());
    const at::Tensor columns = W_U.lookup(part, at::kFloat);
    at::Tensor z = (rows.to(at::kDouble) * columns).sum(-1);
    if (b_U.defined()) z += b_U.to(x.device()).index_select(0, part);
    if (softcap > 0) z = (z / softcap).tanh() * softcap;
    z = z.cpu();
    const at::Tensor slack = (rows.norm(2, -1) * columns.norm(2, -1)).cpu().to(at::kDouble);
    for (int64_t i = first; i < last; ++i) {
      logit[i] = z.data_ptr<double>()[i - first];
      above[i] = static_cast<float>(logit[i] + kRounding * slack.data_ptr<double>()[i - first]);
    }
  }
}

}  // namespace weir::vocab
