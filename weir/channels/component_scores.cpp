#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/interrupt.h"
#include "weir/channels/composition.h"

namespace weir {
namespace {

/// The directions by which a type reads, and their singular values.
struct Readers {
  const at::Tensor& directions;  ///< [H, D, K]
  const at::Tensor& S;           ///< [H, K]
};

Readers readers_of(const ModelComponents& components, CompositionType type, int64_t layer) {
  const auto l = static_cast<size_t>(layer);
  if (type == CompositionType::kV) return {components.ov[l].left, components.ov[l].S};
  const HeadComponents& qk = components.qk[l];
  return {type == CompositionType::kQ ? qk.left : qk.right, qk.S};
}

/// [H, D, K] -> [H K, D]
at::Tensor as_rows(const at::Tensor& directions) {
  return directions.transpose(1, 2).reshape({-1, directions.size(1)});
}

/// [H K, H]: each head's shares S^2 / sum S^2 in its own rows and column, so that a product with it
/// sums over components.
at::Tensor shares_of(const at::Tensor& S) {
  const int64_t n_heads = S.size(0), k = S.size(1);
  const at::Tensor squares = S.square();
  const at::Tensor shares = (squares / squares.sum(1, true)).nan_to_num(0);
  const at::Tensor blocks = at::zeros({n_heads, k, n_heads}, S.options());
  for (int64_t h = 0; h < n_heads; ++h) blocks[h].select(1, h).copy_(shares[h]);
  return blocks.flatten(0, 1);
}

/// Keeps the n largest cosines of all tiles.
class Strongest {
 public:
  explicit Strongest(int64_t n) : n_(n) {}

  void add(const at::Tensor& squares, int64_t writer_layer, int64_t reader_layer, int64_t k) {
    if (n_ == 0) return;
    const int64_t width = squares.size(1);
    const auto [top, index] = squares.flatten().topk(std::min(n_, squares.numel()));
    const at::Tensor values = top.sqrt().to(at::kDouble);
    for (int64_t i = 0; i < values.numel(); ++i) {
      const double cosine = values[i].item<double>();
      if (static_cast<int64_t>(links_.size()) >= n_ && cosine <= least_) break;
      const auto flat = index[i].item<int64_t>();
      const int64_t row = flat / width, column = flat % width;
      links_.push_back(
          {writer_layer, row / k, row % k, reader_layer, column / k, column % k, cosine});
    }
    trim();
  }
  std::vector<ComponentLink> take() { return std::move(links_); }

 private:
  void trim() {
    std::stable_sort(links_.begin(), links_.end(),
                     [](const auto& a, const auto& b) { return a.cosine > b.cosine; });
    if (static_cast<int64_t>(links_.size()) > n_) links_.resize(static_cast<size_t>(n_));
    if (!links_.empty()) least_ = links_.back().cosine;
  }

  int64_t n_;
  double least_ = 0;
  std::vector<ComponentLink> links_;
};

}  // namespace

at::Tensor component_cosines(const ModelComponents& components, CompositionType type,
                             int64_t writer_layer, int64_t reader_layer) {
  const at::NoGradGuard no_grad;
  const at::Tensor& v = components.ov[static_cast<size_t>(writer_layer)].right;
  const at::Tensor& r = readers_of(components, type, reader_layer).directions;
  return at::mm(as_rows(v), as_rows(r).t())
      .abs_()
      .view({v.size(0), v.size(2), r.size(0), r.size(2)});
}

ComponentScores component_scores(const ModelComponents& components, CompositionType type,
                                 const ComponentOptions& options) {
  const at::NoGradGuard no_grad;
  const auto n_layers = static_cast<int64_t>(components.ov.size());
  const int64_t n_heads = components.ov[0].S.size(0), k = components.ov[0].S.size(1);
  const at::TensorOptions like = components.ov[0].S.options();
  ComponentScores found;
  found.head = at::zeros({n_layers, n_heads, n_layers, n_heads}, like);
  found.writer = at::zeros({n_layers, n_heads, k, n_layers, n_heads}, like);
  if (options.reader_side)
    found.reader = at::zeros({n_layers, n_heads, n_layers, n_heads, k}, like);
  if (options.largest_cosine) found.largest_cosine = at::zeros_like(found.head);
  std::vector<at::Tensor> writers, writer_shares;
  for (const HeadComponents& ov : components.ov) {
    writers.push_back(as_rows(ov.right));
    writer_shares.push_back(shares_of(ov.S).t().contiguous());  // [H, H K]
  }
  Strongest strongest(options.n_links);
  at::Tensor tile = at::empty({n_heads * k, n_heads * k}, like);
  for (int64_t l2 = 1; l2 < n_layers; ++l2) {
    const Readers readers = readers_of(components, type, l2);
    const at::Tensor columns = as_rows(readers.directions).t();  // [D, H K]
    const at::Tensor shares = shares_of(readers.S);
    for (int64_t l1 = 0; l1 < l2; ++l1) {
      throw_if_interrupted();
      const auto w = static_cast<size_t>(l1);
      at::mm_out(tile, writers[w], columns);
      tile.square_();
      const at::Tensor of_writers = at::mm(tile, shares);  // [H K, H] CS_i^2
      found.writer[l1].select(2, l2).copy_(of_writers.sqrt().view({n_heads, k, n_heads}));
      found.head[l1].select(1, l2).copy_(at::mm(writer_shares[w], of_writers).sqrt());
      if (options.reader_side) {
        found.reader[l1].select(1, l2).copy_(
            at::mm(writer_shares[w], tile).sqrt().view({n_heads, n_heads, k}));
      }
      if (options.largest_cosine) {
        found.largest_cosine[l1].select(1, l2).copy_(
            tile.view({n_heads, k, n_heads, k}).amax({1, 3}).sqrt());
      }
      strongest.add(tile, l1, l2, k);
    }
  }
  found.links = strongest.take();
  return found;
}

}  // namespace weir
