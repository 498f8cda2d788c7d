#include "weir/channels/composition.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/base/progress.h"

namespace weir {
namespace {

// Rows of the D x D matrices of all heads that are held at a time, and what may be held of heads
// when all types go together.
constexpr int64_t kSliceBytes = int64_t{256} << 20, kHeadBytes = int64_t{512} << 20;

/// A symmetric D x D matrix of each head as X^T X, X [N, K, D].
at::Tensor gram(const at::Tensor& x) { return at::matmul(x.transpose(-2, -1), x); }  // [H, K, K]

/// X with X^T X = W^T G W, for a Gram matrix G [H, K, K] and W [H, K, D]: through Cholesky's
/// factor, or the square root where G has no full rank.
at::Tensor whitened(const at::Tensor& G, const at::Tensor& W) {
  const at::Tensor exact = G.to(at::kDouble);
  const auto [lower, info] = at::linalg_cholesky_ex(exact, /*upper=*/false);
  at::Tensor root = lower.transpose(-2, -1);
  if (info.any().item<bool>()) {
    const auto [values, vectors] = at::linalg_eigh(exact);
    root = vectors.transpose(-2, -1) * values.clamp_min(0).sqrt().unsqueeze(-1);
  }
  return at::matmul(root.to(W.scalar_type()), W);
}

/// A^T A of W_V W_O.
at::Tensor of_writers(const LayerHeads& heads) { return whitened(gram(heads.W_V), heads.W_O); }

/// B B^T of what reads.
at::Tensor of_readers(const LayerHeads& heads, const FactoredMatrix& qk, CompositionType type) {
  const at::Tensor keys = qk.right.transpose(-2, -1);
  switch (type) {
    case CompositionType::kQ:
      return whitened(gram(keys), qk.left.transpose(-2, -1));
    case CompositionType::kK:
      return whitened(gram(qk.left), keys.transpose(-2, -1));
    case CompositionType::kV:
      return whitened(gram(heads.W_O.transpose(-2, -1)), heads.W_V.transpose(-2, -1));
  }
  fail(ErrorCode::kInternal, "composition: unknown type");
}

/// Rows first .. last of every X^T X, columns from first on, in `memory`: [N, rows, D - first].
at::Tensor rows_of(const at::Tensor& X, int64_t first, int64_t last, const at::Tensor& memory) {
  const int64_t n = X.size(0), d = X.size(2), rows = last - first;
  const at::Tensor slice = memory.slice(0, 0, n * rows * (d - first)).view({n, rows, d - first});
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t i = begin; i < end; ++i) {
      at::Tensor out = slice[i];
      at::mm_out(out, X[i].slice(1, first, last).t(), X[i].slice(1, first));
    }
  });
  return slice;
}

/// Writers [L H, K, D] and readers [L, R, K, D] (R of a layer): <M_i, N_j> of the pairs with a
/// path, [L H, L R] in float64 sums over slices.
at::Tensor inner_products(const at::Tensor& writers, const at::Tensor& readers, int64_t n_heads) {
  const int64_t n_layers = readers.size(0), of_layer = readers.size(1), d = writers.size(2);
  const at::Tensor all_readers = readers.flatten(0, 1);
  const int64_t row_bytes =
      (writers.size(0) + all_readers.size(0)) * d * static_cast<int64_t>(writers.element_size());
  const int64_t rows = std::clamp<int64_t>(kSliceBytes / row_bytes, 1, d);
  const int64_t layers_at_once = std::max<int64_t>(1, n_layers / 4);
  // Used again for every slice: fresh memory would have to be faulted in each time.
  const at::Tensor of_writers = at::empty({writers.size(0) * rows * d}, writers.options());
  const at::Tensor of_readers = at::empty({all_readers.size(0) * rows * d}, writers.options());
  at::Tensor total = at::zeros({writers.size(0), all_readers.size(0)}, at::kDouble);
  Progress progress("composition", static_cast<uint64_t>(d), "rows");
  for (int64_t first = 0; first < d; first += rows) {
    throw_if_interrupted();
    const int64_t last = std::min(first + rows, d);
    const at::Tensor m = rows_of(writers, first, last, of_writers);
    const at::Tensor n = rows_of(all_readers, first, last, of_readers);
    // What lies right of the square on the diagonal stands for its mirror image too.
    m.slice(2, last - first).mul_(2);
    for (int64_t l = 0; l < n_layers; l += layers_at_once) {
      const int64_t end = std::min(l + layers_at_once, n_layers);
      const at::Tensor below = m.slice(0, 0, (end - 1) * n_heads).flatten(1);
      if (below.size(0) == 0) continue;
      total.slice(0, 0, below.size(0))
          .slice(1, l * of_layer, end * of_layer)
          .add_(at::mm(below, n.slice(0, l * of_layer, end * of_layer).flatten(1).t()));
    }
    progress.advance(static_cast<uint64_t>(last - first));
  }
  return total;
}

/// |X|^2 of every head, the trace of X^T X: [L, ..., K, D] -> [L, ...], a layer at a time.
at::Tensor traces(const at::Tensor& X) {
  std::vector<at::Tensor> layers;
  for (const at::Tensor& x : X.unbind(0)) {
    layers.push_back(x.square().sum({-2, -1}, /*keepdim=*/false, at::kDouble));
  }
  return at::stack(layers);
}

}  // namespace

CompositionType composition_type_of(const std::string& name) {
  if (name == "q" || name == "Q") return CompositionType::kQ;
  if (name == "k" || name == "K") return CompositionType::kK;
  if (name == "v" || name == "V") return CompositionType::kV;
  fail(ErrorCode::kInvalidArgument, "composition: expected q, k or v, got '{}'", name);
}

std::string name_of(CompositionType type) {
  return type == CompositionType::kQ ? "Q" : type == CompositionType::kK ? "K" : "V";
}

at::Tensor has_path(const at::Tensor& table, int64_t reader_axis) {
  const at::Tensor layer = at::arange(table.size(0));
  std::vector<int64_t> writer(static_cast<size_t>(table.dim()), 1), reader = writer;
  writer[0] = reader[static_cast<size_t>(reader_axis)] = table.size(0);
  return (layer.view(writer) < layer.view(reader)).expand(table.sizes());
}

HeadSource head_source(const Weights& weights, const ModelConfig& config,
                       const CircuitOptions& options) {
  return {config.n_layers,
          config.n_heads,
          config.d_model,
          config.d_head,
          [&weights, &config, options](int64_t layer) {
            return layer_heads(weights, config, layer, options);
          },
          nullptr};
}

HeadSource head_source_at(const Weights& weights, const ModelConfig& config, int64_t offset,
                          const CircuitOptions& options) {
  HeadSource source = head_source(weights, config, options);
  source.qk = [&config, offset](int64_t layer, const LayerHeads& heads) {
    return heads.qk_at(config, layer, offset);
  };
  return source;
}

namespace {

/// [L H, types L H] CS of a group of types.
at::Tensor scores_of(const HeadSource& source, const std::vector<CompositionType>& types) {
  const int64_t n_layers = source.n_layers, n_heads = source.n_heads;
  const auto n_types = static_cast<int64_t>(types.size());
  at::Tensor writers, readers;
  for (int64_t layer = 0; layer < n_layers; ++layer) {
    throw_if_interrupted();
    const LayerHeads heads = source.heads(layer);
    const FactoredMatrix qk = source.qk ? source.qk(layer, heads) : heads.qk();
    if (!writers.defined()) {
      const std::vector<int64_t> shape = {n_heads, source.d_head, source.d_model};
      writers = at::empty({n_layers, shape[0], shape[1], shape[2]}, heads.W_O.options());
      readers = at::empty({n_layers, n_types * n_heads, shape[1], shape[2]}, heads.W_O.options());
    }
    writers[layer].copy_(of_writers(heads));
    for (int64_t t = 0; t < n_types; ++t) {
      readers[layer]
          .slice(0, t * n_heads, (t + 1) * n_heads)
          .copy_(of_readers(heads, qk, types[static_cast<size_t>(t)]));
    }
  }
  const at::Tensor of_writers = traces(writers).flatten(), of_readers = traces(readers).flatten();
  const at::Tensor squares = inner_products(writers.flatten(0, 1), readers, n_heads) /
                             (of_writers.unsqueeze(1) * of_readers.unsqueeze(0));
  return squares.clamp_min(0).sqrt().view({n_layers, n_heads, n_layers, n_types, n_heads});
}

}  // namespace

std::vector<at::Tensor> composition_scores(const HeadSource& source,
                                           const std::vector<CompositionType>& types) {
  const at::NoGradGuard no_grad;
  const int64_t one_role = source.n_layers * source.n_heads * source.d_head * source.d_model * 4;
  const bool together = one_role * static_cast<int64_t>(1 + types.size()) <= kHeadBytes;
  std::vector<at::Tensor> scores;
  for (size_t first = 0; first < types.size();) {
    const size_t last = together ? types.size() : first + 1;
    const at::Tensor found = scores_of(source, {types.begin() + static_cast<std::ptrdiff_t>(first),
                                                types.begin() + static_cast<std::ptrdiff_t>(last)});
    for (const at::Tensor& of_type : found.unbind(3)) {
      scores.push_back(of_type.masked_fill(has_path(of_type, 2).logical_not(), 0).nan_to_num(0));
    }
    first = last;
  }
  return scores;
}

ModelComponents model_components(const HeadSource& source) {
  const at::NoGradGuard no_grad;
  ModelComponents found;
  Progress progress("singular components", static_cast<uint64_t>(source.n_layers), "layers");
  for (int64_t layer = 0; layer < source.n_layers; ++layer) {
    throw_if_interrupted();
    const LayerHeads heads = source.heads(layer);
    found.ov.push_back(head_components(heads.ov(), SignRule::kRight));
    const FactoredMatrix qk = source.qk ? source.qk(layer, heads) : heads.qk();
    found.qk.push_back(head_components(qk, SignRule::kLeft));
    progress.advance(1);
  }
  return found;
}

}  // namespace weir
