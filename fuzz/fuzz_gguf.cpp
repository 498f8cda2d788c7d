#include <vector>

#include "parse_or_refuse.h"
#include "weir/io/dequantize.h"
#include "weir/io/gguf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return weir::fuzz::parse_or_refuse(data, size, [](const auto& file) {
    const weir::io::GgufFile gguf = weir::io::parse_gguf(file);
    for (const auto& tensor : gguf.tensors().tensors) {
      std::vector<float> values(static_cast<size_t>(tensor.n_elements()));
      weir::io::dequantize(tensor.dtype, tensor.data, tensor.n_elements(), values.data());
    }
  });
}
