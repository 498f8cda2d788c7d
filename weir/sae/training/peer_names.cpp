#include "weir/sae/training/peer_names.h"

#include <ATen/ATen.h>

namespace weir {

PeerName weir_name(const std::string& peer_name) {
  static const std::map<std::string, PeerName> known = {{"encoder.weight", {"W_enc", true}},
                                                        {"encoder.bias", {"b_enc", false}},
                                                        {"latent_bias", {"b_enc", false}},
                                                        {"decoder.weight", {"W_dec", true}},
                                                        {"decoder.bias", {"b_dec", false}},
                                                        {"decoder_bias", {"b_dec", false}},
                                                        {"bias", {"b_dec", false}},
                                                        {"pre_bias", {"b_dec", false}},
                                                        {"gate_bias", {"b_gate", false}},
                                                        {"mag_bias", {"b_mag", false}},
                                                        {"var_encoder.weight", {"W_var", true}},
                                                        {"var_encoder.bias", {"b_var", false}},
                                                        {"W_enc_var", {"W_var", false}},
                                                        {"b_enc_var", {"b_var", false}},
                                                        {"topk_threshold", {"threshold", false}}};
  const auto found = known.find(peer_name);
  if (found != known.end()) return found->second;
  for (const char* own : {"W_enc", "b_enc", "W_dec", "b_dec", "b_gate", "b_mag", "r_mag",
                          "threshold", "W_skip", "W_var", "b_var"}) {
    if (peer_name == own) return {peer_name, false};
  }
  return {};
}

std::map<std::string, at::Tensor> from_peer_names(
    const std::map<std::string, at::Tensor>& weights) {
  std::map<std::string, at::Tensor> own;
  for (const auto& [name, tensor] : weights) {
    const PeerName is = weir_name(name);
    if (!is.name.empty()) own[is.name] = is.is_transposed ? tensor.t() : tensor;
  }
  return own;
}

}  // namespace weir
