// list_tensors MODEL: names and shapes of a model's safetensors file, without LibTorch.
#include <cstdio>

#include <fmt/ranges.h>

#include "weir/base/error.h"
#include "weir/io/safetensors.h"
#include "weir/store/model_store.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "usage: list_tensors MODEL\n");
    return 2;
  }
  try {
    const std::filesystem::path folder = weir::resolve_model(argv[1]);
    const weir::io::TensorMap file = weir::io::read_safetensors(folder / "model.safetensors");
    for (const weir::io::TensorView& tensor : file.tensors) {
      fmt::print("{} {} [{}]\n", tensor.name, weir::io::to_string(tensor.dtype),
                 fmt::join(tensor.shape, ", "));
    }
  } catch (const weir::Error& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
