#pragma once

#include <deque>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "weir/io/tensor_view.h"
#include "weir/model/config.h"
#include "weir/model/origin.h"
#include "weir/model/weights.h"

namespace weir {

/// Hands out the tensors of a checkpoint by name and keeps account: a missing, extra or mis-shaped
/// tensor is named, and every handle's origin is remembered. Family files use it; shapes are those
/// of the file. `outputs` picks a part of a fused tensor; a part that is one run is a view.
class CheckpointReader {
 public:
  explicit CheckpointReader(const io::TensorMap& tensors);

  /// Tensors that the checkpoint lacks are made: zeros in float32 that may be written to. For a
  /// model from its config alone.
  void make_missing() { makes_missing_ = true; }
  const std::deque<io::TensorView>& made() const { return made_; }

  /// Later names are tried with each of these in front: {"model.", ""} accepts both spellings.
  void set_prefixes(std::vector<std::string> prefixes);
  bool has(const std::string& name) const;

  /// nn.Linear weight [n_out, n_in].
  Matrix linear(const std::string& name, int64_t n_out, int64_t n_in,
                const OutputRuns& outputs = {});
  /// GPT-2's Conv1D weight, stored [n_in, n_out].
  Matrix conv1d(const std::string& name, int64_t n_in, int64_t n_out,
                const OutputRuns& outputs = {});
  /// A vector or table as float32 (norm gains, biases, positions).
  at::Tensor tensor(const std::string& name, const std::vector<int64_t>& shape,
                    const OutputRuns& outputs = {});
  /// The same, undefined when absent.
  at::Tensor optional_tensor(const std::string& name, const std::vector<int64_t>& shape,
                             const OutputRuns& outputs = {});
  /// Vectors of n entries as the rows of one table, float32.
  at::Tensor rows(const std::vector<std::string>& names, int64_t n);
  /// prefix.weight, and prefix.bias for a LayerNorm.
  NormWeights norm(const std::string& prefix, int64_t n, NormKind kind);
  /// The matrix of `name`, of the shape of `table`, for the other use of an embedding table: the
  /// table itself where the checkpoint has no such tensor, or the config ties them and the values
  /// are equal. A config that says tied over other values is overruled with a warning, as
  /// transformers 5 does.
  Matrix output_table(const std::string& name, const Matrix& table, bool tied);
  /// Buffers that are not parameters: globs such as "*.attn.masked_bias".
  void ignore(const std::vector<std::string>& globs);
  /// kCorruptData naming the tensors that nothing asked for.
  void finish() const;

  /// Where each parameter of `weights` that was handed out by this reader came from. What a family
  /// computed from tensors (projected tables) has no origin.
  std::vector<Origin> origins(const Weights& weights, const ModelConfig& config) const;

 private:
  const io::TensorView& take(const std::string& name, const std::vector<int64_t>& shape);
  const io::TensorView* find(const std::string& name) const;
  const io::TensorView* make(const std::string& name, const std::vector<int64_t>& shape);
  Matrix remembered(Matrix matrix, Origin origin);
  at::Tensor remembered(at::Tensor tensor, std::vector<Origin> origins);

  const io::TensorMap& tensors_;
  std::map<std::string, const io::TensorView*> by_name_;
  std::vector<std::string> prefixes_ = {""};
  std::set<const io::TensorView*> used_;
  std::vector<std::string> ignored_;
  bool makes_missing_ = false;
  std::deque<io::TensorView> made_;
  std::map<const void*, std::vector<Origin>> origins_of_;  // By the first byte of a handle.
  std::vector<Matrix> handed_matrices_;  // Keeps those bytes from being used again.
  std::vector<at::Tensor> handed_tensors_;
  Origin head_;
};

}  // namespace weir
