#include "weir/sae/attention/residual_features.h"

#include <ATen/ATen.h>

#include "weir/base/error.h"

namespace weir {

ResidualAttribution attribute_source(const FrozenRun& run, const FeatureAt& target, int64_t source,
                                     const Sae& stream_sae) {
  const FrozenBlock& block = run.blocks[target.layer];
  require(block.attention.has_value(), "expected a dictionary on z of layer {}", target.layer);
  const int64_t row = block.attention->row_of(target.feature);
  require(row >= 0, "feature {} of layer {} fires nowhere", target.feature, target.layer);
  require(source >= 0 && source < block.stream.size(0), "expected a source from 0 to {}, found {}",
          block.stream.size(0) - 1, source);
  const AttentionPull pull = pull_attention(block, block.attention->encoder[row], target.position);
  const at::Tensor covector = pull.stream[source];
  const at::Tensor stream = block.stream.narrow(0, source, 1);
  const ActiveLatents latents = active_latents(stream_sae, stream, stream);
  const at::Tensor fires = latents.values[0] != 0;
  const at::Tensor places = latents.places[0].masked_select(fires);
  ResidualAttribution found;
  found.features = at::tensor(latents.features, at::kLong).index_select(0, places);
  found.values = latents.values[0].masked_select(fires) *
                 at::mv(latents.decoder.index_select(0, places), covector);
  found.error = latents.error[0].dot(covector).item<double>();
  found.b_dec = latents.decoder_bias.dot(covector).item<double>();
  found.ln_bias = pull.norm_bias[source].item<double>();
  found.b_V = pull.value_bias.select(1, source).sum().item<double>();
  found.total =
      found.values.sum().item<double>() + found.error + found.b_dec + found.ln_bias + found.b_V;
  return found;
}

}  // namespace weir
