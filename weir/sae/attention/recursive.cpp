#include "weir/sae/attention/recursive.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"

namespace weir {
namespace {

/// [T]: rows of a times rows of b, [T, D] or b [D].
at::Tensor row_dot(const at::Tensor& a, const at::Tensor& b) { return (a * b).sum(-1); }

/// Walks from the target's layer down with one covector on the stream.
class Descent {
 public:
  Descent(const FrozenRun& run, RecursiveAttribution* found) : run_(run), found_(*found) {}

  void start(const FeatureAt& target) {
    const FrozenBlock& block = run_.blocks[target.layer];
    const int64_t row = block.attention->row_of(target.feature);
    const int64_t n_positions = block.stream.size(0);
    at::Tensor constant = at::zeros({n_positions}, at::kDouble);
    constant[target.position] = block.attention->bias[row];
    add("enc_bias", target.layer, constant);
    covector_ = at::zeros_like(block.stream);
    through_attention(target.layer,
                      pull_attention(block, block.attention->encoder[row], target.position));
    keep(target.layer);
  }

  void step(int64_t layer) {
    const FrozenBlock& block = run_.blocks[layer];
    const at::Tensor on_output = covector_;  // of both writers
    if (block.mlp) {
      through_transcoder(layer, on_output);
    } else {
      add("mlp", layer, row_dot(on_output, block.mlp_out));
    }
    // A parallel MLP reads the stream before attention: then attention sees only what is written.
    const at::Tensor on_attention = run_.is_parallel ? on_output : covector_;
    if (block.attention) {
      through_features(layer, on_attention);
    } else {
      add("attn", layer, row_dot(on_attention, block.attn_out));
    }
    keep(layer);
  }

  void finish() {
    found_.leaves.push_back({"embed", row_dot(covector_, run_.embed)});
    if (run_.pos.defined()) found_.leaves.push_back({"pos", row_dot(covector_, run_.pos)});
  }

 private:
  void add(const char* name, int64_t layer, const at::Tensor& values) {
    found_.leaves.push_back({fmt::format("{}.{}", name, layer), values});
  }
  void keep(int64_t layer) { found_.covectors[layer] = covector_; }

  void through_attention(int64_t layer, const AttentionPull& pull) {
    const FrozenBlock& block = run_.blocks[layer];
    if (block.ln1.bias.defined()) add("ln1_bias", layer, pull.norm_bias);
    for (int64_t h = 0; h < pull.value_bias.size(0); ++h) {
      found_.leaves.push_back({fmt::format("b_V.{}.{}", layer, h), pull.value_bias[h]});
    }
    covector_ = covector_ + pull.stream;
  }

  void through_features(int64_t layer, const at::Tensor& on_output) {
    const FrozenBlock& block = run_.blocks[layer];
    if (block.ln1_post.bias.defined()) {
      add("ln1_post_bias", layer, block.ln1_post.bias_part(on_output));
    }
    const at::Tensor on_sum = block.ln1_post.pull(on_output);  // on z W_O + b_O
    const ActiveLatents& latents = *block.attention;
    const WriterPull pull = pull_latents(latents, block.written, on_sum);
    found_.features[layer] = pull.weights * latents.values;
    add("attn_error", layer, row_dot(at::mm(on_sum, block.W_O.t()), latents.error));
    add("attn_bias", layer,
        at::mv(on_sum, at::mv(block.W_O.t(), latents.decoder_bias) + block.b_O));
    add("enc_bias", layer,
        (pull.weights *
         latents.bias.index_select(0, latents.places.flatten()).view_as(latents.places))
            .sum(1));
    through_attention(layer, pull_attention(block, pull.input));
  }

  void through_transcoder(int64_t layer, const at::Tensor& on_output) {
    const FrozenBlock& block = run_.blocks[layer];
    const ActiveLatents& latents = *block.mlp;
    const WriterPull pull = pull_latents(latents, latents.decoder, on_output);
    found_.transcoder_features[layer] = pull.weights * latents.values;
    add("tc_error", layer, row_dot(on_output, latents.error));
    add("tc_bias", layer, at::mv(on_output, latents.decoder_bias));
    add("tc_enc_bias", layer,
        (pull.weights *
         latents.bias.index_select(0, latents.places.flatten()).view_as(latents.places))
            .sum(1));
    at::Tensor on_input = pull.input;
    if (latents.skip.defined()) on_input = on_input + at::mm(on_output, latents.skip);
    if (block.ln2.bias.defined()) add("ln2_bias", layer, block.ln2.bias_part(on_input));
    covector_ = covector_ + block.ln2.pull(on_input);
  }

  const FrozenRun& run_;
  RecursiveAttribution& found_;
  at::Tensor covector_;
};

void require_target(const FrozenRun& run, const FeatureAt& target) {
  require(target.layer >= 0 && target.layer < static_cast<int64_t>(run.blocks.size()) &&
              run.blocks[target.layer].attention.has_value(),
          "expected a target in a layer with a dictionary, found layer {}", target.layer);
  const ActiveLatents& latents = *run.blocks[target.layer].attention;
  require(target.position >= 0 && target.position < latents.places.size(0),
          "expected a position from 0 to {}, found {}", latents.places.size(0) - 1,
          target.position);
  const int64_t row = latents.row_of(target.feature);
  require(row >= 0 && latents.value(target.position, row) != 0,
          "feature {} of layer {} does not fire at position {}", target.feature, target.layer,
          target.position);
}

}  // namespace

WriterPull pull_latents(const ActiveLatents& latents, const at::Tensor& writes,
                        const at::Tensor& covector) {
  const at::Tensor readings = at::mm(covector, writes.t());  // [T, n]
  WriterPull pull;
  pull.weights = readings.gather(1, latents.places).masked_fill(latents.values == 0, 0);
  const at::Tensor dense = at::zeros_like(readings).scatter_add(1, latents.places, pull.weights);
  pull.input = at::mm(dense, latents.encoder);
  return pull;
}

RecursiveAttribution attribute_recursively(const FrozenRun& run, const FeatureAt& target) {
  require_target(run, target);
  RecursiveAttribution found;
  found.target = target;
  found.features.resize(target.layer);
  found.transcoder_features.resize(target.layer);
  found.covectors.resize(target.layer + 1);
  Descent descent(run, &found);
  descent.start(target);
  for (int64_t layer = target.layer - 1; layer >= 0; --layer) descent.step(layer);
  descent.finish();
  const ActiveLatents& latents = *run.blocks[target.layer].attention;
  found.pre = latents.value(target.position, latents.row_of(target.feature));
  for (const Leaf& leaf : found.leaves) found.sum_of_leaves += leaf.values.sum().item<double>();
  return found;
}

const at::Tensor& RecursiveAttribution::leaf(const std::string& name) const {
  for (const Leaf& one : leaves) {
    if (one.name == name) return one.values;
  }
  fail(ErrorCode::kNotFound, "no leaf {} in this attribution", name);
}

double RecursiveAttribution::error_share() const {
  double errors = 0, all = 0;
  for (const Leaf& one : leaves) {
    const double size = one.values.abs().sum().item<double>();
    all += size;
    if (one.name.find("_error.") != std::string::npos) errors += size;
  }
  return all > 0 ? errors / all : 0;
}

}  // namespace weir
