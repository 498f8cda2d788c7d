#include "weir/subnet/surprisal_file.h"

#include <fstream>
#include <sstream>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/io/atomic_file.h"
#include "weir/io/npy.h"
#include "weir/io/npy_header.h"
#include "weir/tensor/convert.h"

namespace weir {

void save_surprisals(const at::Tensor& surprisals, const std::filesystem::path& file) {
  const io::TensorView view =
      to_view("data", surprisals.detach().flatten().to(at::kFloat).contiguous());
  io::AtomicFile out(file);
  out.write(io::npy_header_text(view));
  out.write({reinterpret_cast<const char*>(view.data), view.n_bytes});
  out.commit();
}

at::Tensor load_surprisals(const std::filesystem::path& file) {
  const bool is_npy = file.extension() == ".npy";
  const io::TensorMap map = is_npy ? io::read_npy(file) : read_tensors(file.string());
  const at::Tensor found = to_tensor(map.at(is_npy ? "data" : "surprisal"));
  if (!found.is_floating_point()) {
    fail(ErrorCode::kCorruptData, "{}: surprisals are no real numbers", file.string());
  }
  return found.flatten().to(at::kDouble);
}

at::Tensor read_token_lines(const std::filesystem::path& file) {
  std::ifstream in(file);
  if (!in) fail(ErrorCode::kNotFound, "{}: cannot be read", file.string());
  std::vector<int64_t> ids;
  int64_t length = 0, n = 0;
  for (std::string line; std::getline(in, line);) {
    const size_t before = ids.size();
    std::istringstream words(line);
    for (std::string word; words >> word;) {
      if (word.size() > 18 || word.find_first_not_of("0123456789") != std::string::npos) {
        fail(ErrorCode::kCorruptData, "{}: line {}: expected token ids, found '{}'", file.string(),
             n + 1, word.substr(0, 20));
      }
      ids.push_back(std::stoll(word));
    }
    const auto count = static_cast<int64_t>(ids.size() - before);
    if (count == 0) continue;
    if (length == 0) length = count;
    if (count != length) {
      fail(ErrorCode::kCorruptData, "{}: line {}: {} tokens, the lines before have {}",
           file.string(), n + 1, count, length);
    }
    ++n;
  }
  if (n == 0) fail(ErrorCode::kCorruptData, "{}: no token ids", file.string());
  return at::tensor(ids, at::kLong).view({n, length});
}

}  // namespace weir
