#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/sae/attention/attribution_tree.h"

namespace weir {
namespace {

class Parts {
 public:
  Parts(const FrozenRun& run, const DirectReading& reading) : run_(run), reading_(reading) {}

  std::vector<DirectPart> all() {
    for (const Leaf& constant : reading_.constants) leaf(constant.name, constant.values);
    covector_ = reading_.stream;
    for (int64_t layer = std::max(reading_.below, reading_.mlp_below) - 1; layer >= 0; --layer) {
      const at::Tensor on_output = covector_;
      if (layer < reading_.mlp_below) mlp(layer);
      if (layer < reading_.below) attention(layer, run_.is_parallel ? on_output : covector_);
    }
    leaf("embed", along(run_.embed));
    if (run_.pos.defined()) leaf("pos", along(run_.pos));
    return std::move(parts_);
  }

 private:
  at::Tensor along(const at::Tensor& written) const { return (covector_ * written).sum(1); }

  void leaf(const std::string& name, const at::Tensor& values) {
    const at::Tensor all = values.contiguous();
    const double* value = all.data_ptr<double>();
    for (int64_t t = 0; t < all.size(0); ++t) {
      if (value[t] != 0) parts_.push_back({PartKind::kLeaf, name, -1, -1, t, value[t]});
    }
  }

  void latents(PartKind kind, int64_t layer, const ActiveLatents& of, const at::Tensor& weights) {
    const at::Tensor effects = (weights * of.values).contiguous();
    const at::Tensor places = of.places.contiguous();
    const double* effect = effects.data_ptr<double>();
    const int64_t* place = places.data_ptr<int64_t>();
    const int64_t k = places.size(1);
    for (int64_t i = 0; i < places.numel(); ++i) {
      if (effect[i] == 0) continue;
      const int64_t feature = of.features[place[i]];
      const char* prefix = kind == PartKind::kTranscoder ? "tc" : "";
      parts_.push_back(
          {kind, fmt::format("{}{}.{}", prefix, layer, feature), layer, feature, i / k, effect[i]});
    }
  }

  void attention(int64_t layer, const at::Tensor& covector) {
    const FrozenBlock& block = run_.blocks[layer];
    if (!block.attention) {
      leaf(fmt::format("attn.{}", layer), (covector * block.attn_out).sum(1));
      return;
    }
    if (block.ln1_post.bias.defined()) {
      leaf(fmt::format("ln1_post_bias.{}", layer), block.ln1_post.bias_part(covector));
    }
    const at::Tensor on_sum = block.ln1_post.pull(covector);
    const ActiveLatents& of = *block.attention;
    latents(PartKind::kFeature, layer, of, pull_latents(of, block.written, on_sum).weights);
    leaf(fmt::format("attn_error.{}", layer), (at::mm(on_sum, block.W_O.t()) * of.error).sum(1));
    leaf(fmt::format("attn_bias.{}", layer),
         at::mv(on_sum, at::mv(block.W_O.t(), of.decoder_bias) + block.b_O));
  }

  void mlp(int64_t layer) {
    const FrozenBlock& block = run_.blocks[layer];
    if (!block.mlp) {
      leaf(fmt::format("mlp.{}", layer), along(block.mlp_out));
      return;
    }
    const ActiveLatents& of = *block.mlp;
    latents(PartKind::kTranscoder, layer, of, pull_latents(of, of.decoder, covector_).weights);
    leaf(fmt::format("tc_error.{}", layer), along(of.error));
    leaf(fmt::format("tc_bias.{}", layer), at::mv(covector_, of.decoder_bias));
    if (!of.skip.defined()) return;
    // A skip path is linear, like the stream itself: lower layers are read through it too.
    const at::Tensor on_input = at::mm(covector_, of.skip);
    leaf(fmt::format("ln2_bias.{}", layer), block.ln2.bias_part(on_input));
    covector_ = covector_ + block.ln2.pull(on_input);
  }

  const FrozenRun& run_;
  const DirectReading& reading_;
  at::Tensor covector_;  ///< On the stream, and what reads it through skip paths above
  std::vector<DirectPart> parts_;
};

at::Tensor at_position(int64_t n_positions, int64_t position, const at::Tensor& value) {
  at::Tensor values = at::zeros({n_positions}, at::kDouble);
  values[position] = value;
  return values;
}

}  // namespace

DirectReading read_feature(const FrozenRun& run, const FeatureAt& feature) {
  const FrozenBlock& block = run.blocks[feature.layer];
  const int64_t row = block.attention->row_of(feature.feature);
  require(row >= 0, "feature {} of layer {} fires nowhere", feature.feature, feature.layer);
  const AttentionPull pull = pull_attention(block, block.attention->encoder[row], feature.position);
  DirectReading reading{pull.stream, feature.layer, feature.layer, {}};
  const int64_t n_positions = pull.stream.size(0);
  reading.constants.push_back(
      {fmt::format("enc_bias.{}", feature.layer),
       at_position(n_positions, feature.position, block.attention->bias[row])});
  for (int64_t h = 0; h < pull.value_bias.size(0); ++h) {
    reading.constants.push_back({fmt::format("b_V.{}.{}", feature.layer, h), pull.value_bias[h]});
  }
  reading.constants.push_back({fmt::format("ln1_bias.{}", feature.layer), pull.norm_bias});
  return reading;
}

DirectReading read_transcoder(const FrozenRun& run, const FeatureAt& feature) {
  const FrozenBlock& block = run.blocks[feature.layer];
  const int64_t row = block.mlp->row_of(feature.feature);
  require(row >= 0, "latent {} of layer {}'s transcoder fires nowhere", feature.feature,
          feature.layer);
  const int64_t n_positions = block.stream.size(0);
  at::Tensor on_input = at::zeros({n_positions, block.mlp->encoder.size(1)}, at::kDouble);
  on_input[feature.position] = block.mlp->encoder[row];
  DirectReading reading{block.ln2.pull(on_input),
                        run.is_parallel ? feature.layer : feature.layer + 1,
                        feature.layer,
                        {}};
  reading.constants.push_back({fmt::format("tc_enc_bias.{}", feature.layer),
                               at_position(n_positions, feature.position, block.mlp->bias[row])});
  reading.constants.push_back(
      {fmt::format("ln2_bias.{}", feature.layer), block.ln2.bias_part(on_input)});
  return reading;
}

std::vector<DirectPart> direct_parts(const FrozenRun& run, const DirectReading& reading) {
  return Parts(run, reading).all();
}

}  // namespace weir
