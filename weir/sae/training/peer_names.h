#pragma once

#include <map>
#include <string>

#include <ATen/core/Tensor.h>

/// Weights under the names and in the orientation of dictionary_learning, sparsify, OpenAI's and
/// the vSAE authors' trainers, so that a state of theirs can be stepped and compared.
namespace weir {

/// What a weight of a peer is called here, and whether its axes change places.
struct PeerName {
  std::string name;
  bool is_transposed = false;
};
/// An empty name for what is no weight (k, group weights).
PeerName weir_name(const std::string& peer_name);

/// By our names: views of `weights`, whose names may be ours already. Names without a weight are
/// left out.
std::map<std::string, at::Tensor> from_peer_names(const std::map<std::string, at::Tensor>& weights);

}  // namespace weir
