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

// Rows of the D x D matrices of all heads that are held at a time: some 64 MB.
constexpr int64_t kSliceBytes = int64_t{64} << 20;

/// A symmetric D x D matrix of each head as left right, with left [N, D, K] and right [N, K, D].
struct Symmetric {
  at::Tensor left, right;
  int64_t n() const { return left.size(0); }
};

at::Tensor gram(const at::Tensor& x) { return at::matmul(x.transpose(-2, -1), x); }  // [H, K, K]

/// A^T A of W_V W_O: W_O^T (W_V^T W_V) W_O.
Symmetric of_writers(const LayerHeads& heads) {
  return {heads.W_O.transpose(-2, -1), at::matmul(gram(heads.W_V), heads.W_O)};
}

/// B B^T of the reader: W (G) W^T with the Gram matrix of its other factor.
Symmetric of_readers(const LayerHeads& heads, const FactoredMatrix& qk, CompositionType type) {
  const at::Tensor keys = qk.right.transpose(-2, -1);
  switch (type) {
    case CompositionType::kQ:
      return {qk.left, at::matmul(gram(keys), qk.left.transpose(-2, -1))};
    case CompositionType::kK:
      return {keys, at::matmul(gram(qk.left), keys.transpose(-2, -1))};
    case CompositionType::kV:
      return {heads.W_V, at::matmul(gram(heads.W_O.transpose(-2, -1)),
                                    heads.W_V.transpose(-2, -1))};
  }
  fail(ErrorCode::kInternal, "composition: unknown type");
}

Symmetric together(const std::vector<Symmetric>& parts) {
  std::vector<at::Tensor> left, right;
  for (const Symmetric& part : parts) {
    left.push_back(part.left);
    right.push_back(part.right);
  }
  return {at::cat(left).contiguous(), at::cat(right).contiguous()};
}

/// Rows first .. last of every matrix, columns from first on: [N, rows (D - first)].
at::Tensor rows_of(const Symmetric& matrices, int64_t first, int64_t last) {
  const int64_t n = matrices.n(), d = matrices.left.size(1);
  const at::Tensor slice =
      at::empty({n, last - first, d - first}, matrices.left.options());
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    const at::NoGradGuard no_grad;
    for (int64_t i = begin; i < end; ++i) {
      at::Tensor out = slice[i];
      at::mm_out(out, matrices.left[i].slice(0, first, last), matrices.right[i].slice(1, first));
    }
  });
  return slice;
}

/// <M_i, N_j> of all pairs, [writers, readers], in float64 sums over slices.
at::Tensor inner_products(const Symmetric& writers, const Symmetric& readers) {
  const int64_t d = writers.left.size(1);
  const int64_t bytes = (writers.n() + readers.n()) * d * static_cast<int64_t>(writers.left.element_size());
  const int64_t rows = std::clamp<int64_t>(kSliceBytes / bytes, 1, d);
  at::Tensor total = at::zeros({writers.n(), readers.n()}, at::kDouble);
  for (int64_t first = 0; first < d; first += rows) {
    throw_if_interrupted();
    const int64_t last = std::min(first + rows, d);
    at::Tensor m = rows_of(writers, first, last);
    const at::Tensor n = rows_of(readers, first, last);
    // What lies right of the square on the diagonal stands for its mirror image too.
    m.slice(2, last - first).mul_(2);
    total += at::mm(m.flatten(1), n.flatten(1).t());
  }
  return total;
}

/// |A|^2 = <A^T A, I>: the trace.
at::Tensor traces(const Symmetric& matrices) {
  return (matrices.left * matrices.right.transpose(-2, -1)).sum({-2, -1}, false, at::kDouble);
}

at::Tensor path_mask(int64_t n_layers, int64_t n_heads) {  // double [L, H, L, H]
  const at::Tensor layer = at::arange(n_layers);
  const at::Tensor is_below = layer.unsqueeze(1) < layer.unsqueeze(0);
  return is_below.unsqueeze(1).unsqueeze(3).expand({n_layers, n_heads, n_layers, n_heads});
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

HeadSource head_source(const Weights& weights, const ModelConfig& config,
                       const CircuitOptions& options) {
  return {config.n_layers, config.n_heads, config.d_model, config.d_head,
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

std::vector<at::Tensor> composition_scores(const HeadSource& source,
                                           const std::vector<CompositionType>& types) {
  const at::NoGradGuard no_grad;
  std::vector<Symmetric> writers;
  std::vector<std::vector<Symmetric>> readers(types.size());
  for (int64_t layer = 0; layer < source.n_layers; ++layer) {
    const LayerHeads heads = source.heads(layer);
    const FactoredMatrix qk = source.qk ? source.qk(layer, heads) : heads.qk();
    writers.push_back(of_writers(heads));
    for (size_t t = 0; t < types.size(); ++t) readers[t].push_back(of_readers(heads, qk, types[t]));
  }
  const Symmetric of_all = together(writers);
  const at::Tensor writer_norm = traces(of_all);
  std::vector<Symmetric> of_types;
  for (const auto& parts : readers) of_types.push_back(together(parts));
  const Symmetric reading = together(of_types);
  const at::Tensor squares = inner_products(of_all, reading) /
                             (writer_norm.unsqueeze(1) * traces(reading).unsqueeze(0));
  const at::Tensor mask = path_mask(source.n_layers, source.n_heads);
  std::vector<at::Tensor> scores;
  for (const at::Tensor& of_type : squares.chunk(static_cast<int64_t>(types.size()), 1)) {
    const at::Tensor score =
        of_type.reshape({source.n_layers, source.n_heads, source.n_layers, source.n_heads})
            .clamp_min(0)
            .sqrt();
    scores.push_back(score.masked_fill(mask.logical_not(), 0).nan_to_num(0));
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
