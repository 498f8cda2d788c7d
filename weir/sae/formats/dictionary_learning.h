#pragma once

#include "weir/sae/formats/sae_format.h"

/// dictionary_learning (0.1): ae.pt (a torch state dict) and config.json {"trainer", "buffer"}; the
/// class is trainer.dict_class.
namespace weir {

struct DictionaryClass {
  const char* name;
  std::vector<const char*> keys;  ///< Tensors that tell it from others.
  const char* b_dec;              ///< What it calls b_dec.
  bool is_linear;                 ///< torch.nn.Linear's orientation and names; else W_enc, W_dec.
  bool subtracts_b_dec;           ///< From the encoder's input.
};
const std::vector<DictionaryClass>& dictionary_classes();

bool recognises_dictionary_learning(const SaeSite& site);
Sae read_dictionary_learning(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes);

/// The variational forks of it (arXiv 2509.22994).
bool recognises_vsae(const SaeSite& site);

}  // namespace weir
