#include "weir/subnet/corpus.h"

#include <algorithm>
#include <fstream>

#include <ATen/ATen.h>

#include "weir/base/error.h"
#include "weir/base/progress.h"
#include "weir/data/batches.h"
#include "weir/data/permutation.h"
#include "weir/io/mapped_file.h"
#include "weir/lm/token_batch.h"
#include "weir/subnet/surprisal_file.h"
#include "weir/tensor/convert.h"

namespace weir {
namespace {

constexpr std::string_view kShard = "WEIRTOKS";
constexpr size_t kLooked = 4096;  // Bytes by which a file of ids is told from text.
constexpr int64_t kRowsAtOnce = 1024;

at::Tensor cut(const at::Tensor& ids, int64_t length, const std::string& place) {
  if (ids.dim() == 2) return ids.size(1) > length ? ids.slice(1, 0, length) : ids;
  require(ids.dim() == 1, "{}: expected token ids [N, T] or [n], got {}", place,
          c10::str(ids.sizes()));
  const int64_t n = ids.size(0) / length;
  require(n > 0, "{}: {} tokens do not make one row of {}", place, ids.size(0), length);
  return ids.slice(0, 0, n * length).view({n, length});
}

bool is_token_lines(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, kLooked);
  return head.find_first_not_of("0123456789 \t\r\n") == std::string_view::npos &&
         head.find_first_of("0123456789") != std::string_view::npos;
}

bool is_tensors(const std::filesystem::path& file) {
  const std::string extension = file.extension();
  return extension == ".safetensors" || extension == ".npz" || extension == ".npy" ||
         extension == ".pt" || extension == ".bin";
}

}  // namespace

Corpus Corpus::of(at::Tensor rows) {
  rows = to_token_ids(rows);
  require(rows.dim() == 2 && rows.size(0) > 0 && rows.size(1) > 1,
          "corpus: expected rows of at least two tokens, got {}", c10::str(rows.sizes()));
  const int64_t n = rows.size(0), length = rows.size(1);
  return {n, length, [rows](int64_t first, int64_t count) {
            return rows.slice(0, first, first + count).contiguous();
          }};
}

Corpus Corpus::open(const std::string& place, const Tokenizer* tokenizer, int64_t length) {
  require(length >= 2, "corpus: expected rows of at least two tokens, got {}", length);
  std::string file = place, key;
  const size_t colon = place.rfind(':');
  if (colon != std::string::npos && !std::filesystem::exists(place)) {
    file = place.substr(0, colon);
    key = place.substr(colon + 1);
  }
  const auto mapped = io::MappedFile::open(file);
  const std::string_view bytes = mapped->bytes();
  if (bytes.substr(0, kShard.size()) == kShard) {
    data::RowOptions options;
    options.length = length;
    const auto stream = std::make_shared<data::TokenStream>(data::TokenShard::parse(mapped));
    const auto rows =
        std::make_shared<data::TokenRows>(std::vector<data::Source>{{stream, 1}}, options);
    const int64_t n = stream->n_tokens() / length;
    require(n > 0, "{}: {} tokens do not make one row of {}", file, stream->n_tokens(), length);
    return {n, length,
            [rows](int64_t first, int64_t count) { return rows->batch(first, count).ids; }};
  }
  if (!key.empty() || is_tensors(file)) {
    const io::TensorMap tensors = read_tensors(file);
    const bool is_single = tensors.tensors.size() == 1 && key.empty();
    const io::TensorView& view =
        is_single ? tensors.tensors[0] : tensors.at(key.empty() ? "tokens" : key);
    return of(cut(to_token_ids(to_tensor(view)), length, place));
  }
  if (is_token_lines(bytes)) return of(cut(read_token_lines(file), length, place));
  if (tokenizer == nullptr) {
    fail(ErrorCode::kNotFound, "{}: text, but the model came without a tokenizer; give token ids",
         file);
  }
  const std::vector<int64_t> ids = tokenizer->encode(std::string(bytes), false).ids;
  return of(cut(at::tensor(ids, at::kLong), length, place));
}

Corpus Corpus::part(int64_t from, int64_t to) const {
  require(from >= 0 && from < to && to <= n_rows_,
          "corpus: expected some of the rows 0 to {}, got {} to {}", n_rows_, from, to);
  const auto read = read_;
  return {to - from, length_,
          [read, from](int64_t first, int64_t n) { return read(from + first, n); }};
}

at::Tensor Corpus::batch(int64_t i, int64_t n, uint64_t seed) const {
  std::vector<at::Tensor> rows;
  for (int64_t k = i * n; k < (i + 1) * n; ++k) {
    const data::Permutation order(n_rows_, seed, static_cast<uint64_t>(k / n_rows_));
    rows.push_back(read_(order.at(k % n_rows_), 1));
  }
  return at::cat(rows);
}

NgramModel count_ngrams(const Corpus& corpus, const NgramCountOptions& options) {
  NgramCounter counter(options);
  Progress progress("counting", static_cast<uint64_t>(corpus.n_tokens()), "tokens");
  for (int64_t first = 0; first < corpus.n_rows(); first += kRowsAtOnce) {
    const int64_t n = std::min(kRowsAtOnce, corpus.n_rows() - first);
    counter.add_rows(corpus.rows(first, n));
    progress.advance(static_cast<uint64_t>(n * corpus.length()));
  }
  return counter.finish();
}

}  // namespace weir
