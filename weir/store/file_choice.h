#pragma once

#include <string>
#include <vector>

#include "weir/store/hub.h"

namespace weir::store {

/// The files of a repository that make a model Weir can load, weights last: configuration,
/// tokenizer, and the weights as safetensors, else as pytorch_model*.bin, else as the only .gguf.
/// With name.file, that .gguf or .bin. kNotFound when the repository has no such file;
/// kInvalidArgument, with the list, when it holds several .gguf and none is named; kUnsupported
/// when it holds no weights in these forms.
std::vector<RemoteFile> choose_files(const ModelName& name, const std::vector<RemoteFile>& files);

}  // namespace weir::store
