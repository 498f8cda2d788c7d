#pragma once

#include <string_view>

#include "weir/io/torch_pickle.h"

/// The names that a checkpoint's pickle may import and what calling them means.
namespace weir::io {

/// kUnsupported, with the full name, for one that is not on the list.
TorchGlobal find_torch_global(std::string_view module, std::string_view name,
                              std::string_view what);

/// The result of calling `function` with the tuple `arguments`; new objects go into `pickle`.
PickleValue call_torch_global(const PickleValue& function, const PickleValue& arguments,
                              std::string_view what, TorchPickle* pickle);

/// The storage that a persistent id ('storage', type, key, location, size) stands for.
PickleValue make_torch_storage(const PickleValue& persistent_id, std::string_view what,
                               TorchPickle* pickle);

}  // namespace weir::io
