#include "tests/channels/planted_model.h"

#include <algorithm>
#include <numeric>

#include <ATen/ATen.h>

namespace weir::testing {
namespace {

at::Tensor gauss(int64_t rows, int64_t columns) { return at::randn({rows, columns}, at::kDouble); }
at::Tensor rotation(int64_t n) { return std::get<0>(at::linalg_qr(gauss(n, n), "reduced")); }

/// Falling singular values, none close to its neighbour.
at::Tensor spectrum() {
  return at::linspace(1.6, 0.6, kDHead, at::kDouble) + 0.02 * at::rand({kDHead}, at::kDouble);
}

}  // namespace

PlantedModel::PlantedModel(const Form& form, int seed, int64_t n_channels)
    : form_(form), draw_(static_cast<uint32_t>(seed)) {
  at::manual_seed(static_cast<uint64_t>(seed));
  config.n_layers = kLayers;
  config.n_heads = kHeads;
  config.n_kv_heads = form.n_kv_heads;
  config.d_model = kDModel;
  config.d_head = kDHead;
  config.norm = form.norm;
  config.position = form.position;
  config.rotary.n_dims = kDHead;
  plant(n_channels);
  for (int64_t layer = 0; layer < kLayers; ++layer) weights.blocks.push_back(block(layer));
}

/// `rank` components out of all that `used` leaves.
std::vector<int64_t> PlantedModel::pick(int64_t rank, std::set<int64_t>* used) {
  std::vector<int64_t> picked;
  while (static_cast<int64_t>(picked.size()) < rank) {
    const int64_t i = any(kDHead);
    if (used->insert(i).second) picked.push_back(i);
  }
  std::sort(picked.begin(), picked.end());
  return picked;
}

/// n orthonormal columns, orthogonal to `others` and, where a LayerNorm takes the mean, to ones.
at::Tensor PlantedModel::orthonormal(int64_t n, const at::Tensor& others) {
  std::vector<at::Tensor> before;
  if (form_.norm == NormKind::kLayerNorm) before.push_back(at::ones({kDModel, 1}, at::kDouble));
  if (others.defined()) before.push_back(others);
  const int64_t n_before =
      std::accumulate(before.begin(), before.end(), int64_t{0},
                      [](int64_t sum, const at::Tensor& t) { return sum + t.size(1); });
  before.push_back(gauss(kDModel, n));
  return std::get<0>(at::linalg_qr(at::cat(before, 1), "reduced")).slice(1, n_before);
}

void PlantedModel::plant(int64_t n_channels) {
  const at::Tensor all = orthonormal(3 * kChannels, {});
  std::map<int64_t, std::set<int64_t>> used_by_writer;
  std::set<std::pair<CompositionType, int64_t>> used_by_reader;
  while (static_cast<int64_t>(channels.size()) < n_channels) {
    const auto i = static_cast<int64_t>(channels.size());
    const auto type = static_cast<CompositionType>(i % 3);
    const int64_t rank = 1 + any(3), writer = any(kHeads), reader = any(kHeads);
    const bool is_q = type == CompositionType::kQ;
    if (used_by_writer[writer].size() > kDHead / 2) continue;
    if (!used_by_reader.insert({type, is_q ? reader : group(reader)}).second) continue;
    std::set<int64_t> used;
    channels.push_back({type, writer, reader, pick(rank, &used_by_writer[writer]),
                        pick(rank, &used), all.slice(1, 3 * i, 3 * i + rank)});
  }
}

/// The channel that a head (queries) or group of a layer reads through one side, or none.
const Planted* PlantedModel::read(int64_t layer, int64_t group_or_head,
                                  CompositionType type) const {
  for (const Planted& c : channels) {
    const int64_t place = type == CompositionType::kQ ? c.reader : group(c.reader);
    if (layer == 1 && c.type == type && place == group_or_head) return &c;
  }
  return nullptr;
}

std::vector<PlantedModel::Placed> PlantedModel::written(int64_t layer, int64_t head) const {
  std::vector<Placed> found;
  for (const Planted& c : channels) {
    if (layer == 0 && c.writer == head) found.push_back({&c, c.writer_components});
  }
  return found;
}

/// Orthonormal [D, K]: for each channel its directions, turned, at its components.
at::Tensor PlantedModel::side(const std::vector<Placed>& of) {
  at::Tensor planted;
  std::set<int64_t> taken;
  for (const auto& [channel, components] : of) {
    const at::Tensor turned = at::matmul(channel->directions, rotation(channel->rank()));
    planted = planted.defined() ? at::cat({planted, turned}, 1) : turned;
    taken.insert(components.begin(), components.end());
  }
  const auto n_planted = static_cast<int64_t>(taken.size());
  const at::Tensor columns = at::empty({kDModel, kDHead}, at::kDouble);
  const at::Tensor random = orthonormal(kDHead - n_planted, planted);
  int64_t at = 0;
  for (const auto& [channel, components] : of) {
    for (const int64_t i : components) columns.select(1, i).copy_(planted.select(1, at++));
  }
  for (int64_t i = 0, next = 0; i < kDHead; ++i) {
    if (taken.count(i) == 0) columns.select(1, i).copy_(random.select(1, next++));
  }
  return columns;
}

/// The basis [D, K] of what a group reads: the channel's directions first.
at::Tensor PlantedModel::group_basis(const Planted* channel) {
  if (channel == nullptr) return side({});
  std::vector<int64_t> first(static_cast<size_t>(channel->rank()));
  std::iota(first.begin(), first.end(), 0);
  return side({{channel, first}});
}

/// Orthogonal [K, K]: columns say how a head's components lie in a basis that it shares with its
/// group. The channel's first `rank` basis vectors are its own components if it is the reader.
at::Tensor PlantedModel::within_group(const Planted* channel, int64_t head) {
  if (channel == nullptr || channel->reader != head) return rotation(kDHead);
  const int64_t rank = channel->rank();
  const at::Tensor turn = at::block_diag({rotation(rank), rotation(kDHead - rank)});
  const at::Tensor placed = at::empty_like(turn);
  const auto& own = channel->reader_components;
  int64_t planted = 0, others = rank;
  for (int64_t i = 0; i < kDHead; ++i) {
    const bool is_own = std::find(own.begin(), own.end(), i) != own.end();
    placed.select(1, i).copy_(turn.select(1, is_own ? planted++ : others++));
  }
  return placed;
}

/// Stored weights, which folding turns into `folded`: undoes the gain, and adds to LayerNorm
/// models a mean that no LayerNorm lets through.
Matrix PlantedModel::stored(at::Tensor folded, const at::Tensor& gain) const {
  if (form_.norm == NormKind::kLayerNorm) folded = folded + gauss(1, folded.size(1));
  return Matrix((folded / gain.unsqueeze(1)).contiguous());
}

BlockWeights PlantedModel::block(int64_t layer) {
  std::vector<at::Tensor> W_Q, W_K, W_V, W_O;
  for (int64_t g = 0; g < form_.n_kv_heads; ++g) {
    W_K.push_back(group_basis(read(layer, g, CompositionType::kK)));
    W_V.push_back(group_basis(read(layer, g, CompositionType::kV)));
  }
  for (int64_t h = 0; h < kHeads; ++h) {
    // W_QK = (A S R^T) W_K^T and W_OV = W_V (P T V^T): singular vectors A, W_K R and W_V P, V.
    const Planted* q = read(layer, h, CompositionType::kQ);
    const at::Tensor A = q != nullptr ? side({{q, q->reader_components}}) : side({});
    const at::Tensor R = within_group(read(layer, group(h), CompositionType::kK), h);
    W_Q.push_back(at::matmul(A * spectrum(), R.t()));
    const at::Tensor V = side(written(layer, h));
    const at::Tensor P = within_group(read(layer, group(h), CompositionType::kV), h);
    W_O.push_back(at::matmul(P * spectrum(), V.t()));
  }
  BlockWeights made;
  made.ln1.present = true;
  made.ln1.w = 1 + 0.2 * at::rand({kDModel}, at::kDouble);
  made.attn.W_Q = stored(at::cat(W_Q, 1), made.ln1.w);
  made.attn.W_K = stored(at::cat(W_K, 1), made.ln1.w);
  made.attn.W_V = stored(at::cat(W_V, 1), made.ln1.w);
  at::Tensor out = at::cat(W_O, 0);
  if (form_.norm == NormKind::kLayerNorm) out = out + gauss(out.size(0), 1);
  made.attn.W_O = Matrix(out);
  return made;
}

}  // namespace weir::testing
