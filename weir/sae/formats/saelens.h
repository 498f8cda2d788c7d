#pragma once

#include <array>

#include "weir/sae/formats/sae_format.h"

namespace weir {

/// What SAELens 6.54 calls architectures, apart from `temporal`; the last two only in training.
constexpr std::array<const char*, 12> kSaeLensArchitectures = {"standard",
                                                               "gated",
                                                               "jumprelu",
                                                               "topk",
                                                               "abstopk",
                                                               "transcoder",
                                                               "skip_transcoder",
                                                               "jumprelu_transcoder",
                                                               "jumprelu_skip_transcoder",
                                                               "matching_pursuit",
                                                               "batchtopk",
                                                               "matryoshka_batchtopk"};

/// What files say that no SAELens wrote: below 6 it takes a configuration for an old, flat one.
constexpr const char* kSaeLensLayoutVersion = "6.0.0";

bool recognises_saelens(const SaeSite& site);
bool recognises_saelens_training(const SaeSite& site);
Sae read_saelens(const SaeSite& site, const LoadSaeOptions& options, SaeNotes* notes);

}  // namespace weir
