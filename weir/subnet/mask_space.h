#pragma once

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/model/config.h"
#include "weir/model/weights.h"

/// Which parts of a model a mask acts on, and how (2504.15471; docs/methods/subnetworks.md).
namespace weir {

enum class MatrixKind { kQ, kK, kV, kO, kGate, kIn, kOut };
/// "q", "k", "v", "o", "mlp_gate", "mlp_in", "mlp_out"
std::string to_string(MatrixKind kind);

/// A matrix of attention or MLP.
struct BlockMatrix {
  std::string name;  ///< "blocks.0.attn.W_Q"
  int64_t layer = 0;
  MatrixKind kind = MatrixKind::kQ;

  Matrix& in(Weights& weights) const;
  const Matrix& in(const Weights& weights) const;
  /// Its bias; undefined where there is none.
  at::Tensor& bias_in(Weights& weights) const;
};
/// Those that the model has, in forward order. Embeddings, unembedding, norms and biases are none.
std::vector<BlockMatrix> block_matrices(const Weights& weights);
/// The matrix of that name; kInvalidArgument for other names.
BlockMatrix block_matrix_of(const std::string& name);

enum class MaskUnit {
  kWeight,  ///< Every weight: a mask as large as the matrix, [in, out].
  kNeuron,  ///< What a hidden unit of the MLP writes, [M]: rows of W_out.
  kHead,    ///< What a head writes, [H]: rows of W_O.
  kLayer,   ///< All that attention or MLP of a layer writes, [1] each: W_O, W_out.
  kSvd,     ///< Singular components of heads, [H, K]: of OV in W_O, of QK in W_Q.
};
std::string to_string(MaskUnit unit);
MaskUnit mask_unit_of(const std::string& name);  ///< weight, neuron, head, layer, svd

/// One tensor of mask values z and the matrix that it changes.
struct MaskPart {
  BlockMatrix matrix;
  std::vector<int64_t> shape;
};

/// The masked parts of a model. Weights are W (.) z for weights, neurons, heads and layers. With
/// right singular vectors V of W_V W_O and left ones A of W_Q W_K^T, components are kept by
///
///   W_O <- W_O (I + V diag(z - 1) V^T),    W_Q <- (I + A diag(z - 1) A^T) W_Q
///
/// What is masked away is 0, or, with the mean inputs x of each matrix (mean ablation), what it
/// adds on average: b <- b + x (W - W_masked). z = 1 changes nothing in either.
class MaskSpace {
 public:
  /// Keeps handles of the weights; those of parts are made dense in `dtype`.
  MaskSpace(const Weights& weights, const ModelConfig& config, MaskUnit unit,
            at::ScalarType dtype = at::kFloat);

  MaskUnit unit() const { return unit_; }
  const std::vector<MaskPart>& parts() const { return parts_; }
  int64_t size() const;  ///< Mask values in all.
  /// Tensors of that value, laid out like the parts' weights.
  std::vector<at::Tensor> filled(double value) const;
  /// W [in, out] of a part as it is without a mask.
  const at::Tensor& base(size_t part) const { return base_[part]; }
  /// The mean input [in] of every part, float64: from here on ablation is to the mean.
  void ablate_to_means(std::vector<at::Tensor> means);
  bool is_to_means() const { return !means_.empty(); }

  /// The part's matrix under mask values z.
  at::Tensor masked(size_t part, const at::Tensor& z) const;
  /// d loss / d z from d loss / d (masked matrix).
  at::Tensor gradient(size_t part, const at::Tensor& of_matrix) const;
  /// Puts a masked matrix (it may be part of a graph) into an overlay, and the bias that belongs to
  /// it.
  void install(Weights& overlay, size_t part, const at::Tensor& masked) const;
  /// The model under mask values of all parts (soft or hard), not in a graph.
  Weights overlay(const std::vector<at::Tensor>& z) const;
  const Weights& weights() const { return weights_; }
  const ModelConfig& config() const { return config_; }

 private:
  void add(const BlockMatrix& matrix, std::vector<int64_t> shape);
  at::Tensor spread(const at::Tensor& z) const;

  Weights weights_;
  ModelConfig config_;
  MaskUnit unit_;
  at::ScalarType dtype_;
  std::vector<MaskPart> parts_;
  std::vector<at::Tensor> base_, means_;
  std::vector<at::Tensor> directions_;  ///< kSvd: [H, D, K], V or A
};

}  // namespace weir
