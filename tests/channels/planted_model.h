#pragma once

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <ATen/core/Tensor.h>

#include "weir/channels/composition.h"

/// Two-layer attention-only models in which channels are hidden among random heads.
namespace weir::testing {

constexpr int64_t kLayers = 2, kHeads = 8, kDModel = 128, kDHead = 16, kChannels = 8;

/// Directions that head 0.writer writes and head 1.reader reads, each in a basis of its own.
struct Planted {
  CompositionType type;
  int64_t writer, reader;
  std::vector<int64_t> writer_components, reader_components;
  at::Tensor directions;  ///< [D, rank]
  int64_t rank() const { return directions.size(1); }
};

struct Form {
  std::string name;
  NormKind norm;
  PositionKind position;
  int64_t n_kv_heads;
};
inline const std::vector<Form> kForms = {
    {"plain", NormKind::kLayerNorm, PositionKind::kLearned, kHeads},
    {"rotary", NormKind::kRmsNorm, PositionKind::kRotary, kHeads},
    {"rotary_grouped", NormKind::kRmsNorm, PositionKind::kRotary, kHeads / 2}};

/// Weights in the form's own storage (gains, means, shared keys), so that folding must find the
/// heads that were meant. Channels have types by turns, ranks 1 to 3, any writer (also of two
/// channels), any reader, though a reading subspace takes one channel only, and any components on
/// both sides, weak ones too.
class PlantedModel {
 public:
  PlantedModel(const Form& form, int seed, int64_t n_channels = kChannels);

  static CircuitOptions options() { return {true, at::kDouble}; }
  int64_t n_dimensions() const { return kDModel - (is_centred(config, options()) ? 1 : 0); }
  /// Which keys and values a head reads.
  int64_t group(int64_t head) const { return head * form_.n_kv_heads / kHeads; }

  ModelConfig config;
  Weights weights;
  std::vector<Planted> channels;

 private:
  /// A channel and the columns at which its directions stand.
  using Placed = std::pair<const Planted*, std::vector<int64_t>>;

  int64_t any(int64_t n) { return static_cast<int64_t>(draw_() % static_cast<uint64_t>(n)); }
  std::vector<int64_t> pick(int64_t rank, std::set<int64_t>* used);
  at::Tensor orthonormal(int64_t n, const at::Tensor& others);
  void plant(int64_t n_channels);
  const Planted* read(int64_t layer, int64_t group_or_head, CompositionType type) const;
  std::vector<Placed> written(int64_t layer, int64_t head) const;
  at::Tensor side(const std::vector<Placed>& of);
  at::Tensor group_basis(const Planted* channel);
  at::Tensor within_group(const Planted* channel, int64_t head);
  Matrix stored(at::Tensor folded, const at::Tensor& gain) const;
  BlockWeights block(int64_t layer);

  Form form_;
  std::mt19937 draw_;
};

}  // namespace weir::testing
