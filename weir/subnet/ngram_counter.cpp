#include "weir/subnet/ngram_counter.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <queue>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "weir/base/error.h"
#include "weir/base/interrupt.h"
#include "weir/io/atomic_file.h"

namespace weir {
namespace {

struct Counted {
  uint64_t key;
  uint64_t count;
};

constexpr size_t kReadAtOnce = 1 << 14;  // Entries of a run in memory while it is merged.

/// A sorted run in memory or in a file, read from front to back.
class RunReader {
 public:
  explicit RunReader(const std::vector<Counted>* run) : whole_(run) { refill(); }
  explicit RunReader(const std::filesystem::path& path)
      : file_(std::make_unique<std::ifstream>(path, std::ios::binary)), path_(path) {
    refill();
  }

  bool is_done() const { return next_ == size(); }
  const Counted& front() const { return entries()[next_]; }
  void pop() {
    if (++next_ == size() && file_ != nullptr) refill();
  }

 private:
  const std::vector<Counted>& entries() const { return whole_ != nullptr ? *whole_ : part_; }
  size_t size() const { return entries().size(); }
  void refill() {
    if (file_ == nullptr) return;
    part_.resize(kReadAtOnce);
    file_->read(reinterpret_cast<char*>(part_.data()),
                static_cast<std::streamsize>(kReadAtOnce * sizeof(Counted)));
    if (file_->bad() || (file_->fail() && !file_->eof())) {
      fail(ErrorCode::kUnavailable, "{}: cannot be read back; is the disk well?", path_.string());
    }
    part_.resize(static_cast<size_t>(file_->gcount()) / sizeof(Counted));
    next_ = 0;
  }

  const std::vector<Counted>* whole_ = nullptr;
  std::unique_ptr<std::ifstream> file_;
  std::filesystem::path path_;
  std::vector<Counted> part_;
  size_t next_ = 0;
};

/// take(key, count) for the union of sorted runs.
template <typename Take>
void merge(std::vector<RunReader>& runs, const Take& take) {
  const auto later = [&](size_t a, size_t b) { return runs[a].front().key > runs[b].front().key; };
  std::priority_queue<size_t, std::vector<size_t>, decltype(later)> heads(later);
  for (size_t i = 0; i < runs.size(); ++i) {
    if (!runs[i].is_done()) heads.push(i);
  }
  Counted current{0, 0};
  while (!heads.empty()) {
    const size_t i = heads.top();
    heads.pop();
    const Counted next = runs[i].front();
    if (next.key != current.key && current.count > 0) take(current);
    current = {next.key, next.key == current.key ? current.count + next.count : next.count};
    runs[i].pop();
    if (!runs[i].is_done()) heads.push(i);
  }
  if (current.count > 0) take(current);
}

}  // namespace

/// The n-grams of one order.
class NgramCounter::Runs {
 public:
  Runs(int64_t order, const NgramCountOptions& options, size_t capacity)
      : order_(order), options_(options), capacity_(capacity) {}
  ~Runs() {
    std::error_code ignored;
    for (const auto& file : files_) std::filesystem::remove(file, ignored);
  }

  void add(uint64_t key) {
    if (buffer_.capacity() == 0) buffer_.reserve(capacity_);
    buffer_.push_back(key);
    if (buffer_.size() == capacity_) spill();
  }

  NgramLevel finish() {
    spill();
    buffer_ = {};
    std::vector<int64_t> contexts, start;
    std::vector<int32_t> ids, counts;
    std::vector<double> totals;
    const auto base = static_cast<uint64_t>(options_.vocabulary) + 1;
    std::vector<RunReader> readers;
    for (const auto& file : files_) readers.emplace_back(file);
    if (files_.empty()) readers.emplace_back(&in_memory_);
    merge(readers, [&](const Counted& of) {
      const auto context = static_cast<int64_t>(of.key / base);
      if (contexts.empty() || contexts.back() != context) {
        throw_if_interrupted();
        contexts.push_back(context);
        start.push_back(static_cast<int64_t>(ids.size()));
        totals.push_back(0);
      }
      require(of.count <= std::numeric_limits<int32_t>::max(),
              "n-grams: one was counted {} times; more than 2^31 - 1 are not kept", of.count);
      ids.push_back(static_cast<int32_t>(of.key % base));
      counts.push_back(static_cast<int32_t>(of.count));
      totals.back() += static_cast<double>(of.count);
    });
    start.push_back(static_cast<int64_t>(ids.size()));
    return {order_,
            at::tensor(contexts, at::kLong),
            at::tensor(start, at::kLong),
            at::tensor(ids, at::kInt),
            at::tensor(counts, at::kInt),
            at::tensor(totals, at::kDouble)};
  }

 private:
  void spill() {
    if (buffer_.empty()) return;
    throw_if_interrupted();
    std::sort(buffer_.begin(), buffer_.end());
    std::vector<Counted> run;
    for (const uint64_t key : buffer_) {
      if (run.empty() || run.back().key != key) run.push_back({key, 0});
      ++run.back().count;
    }
    buffer_.clear();
    if (options_.scratch.empty()) return take_in(std::move(run));
    const auto file = io::temporary_name(options_.scratch / fmt::format("ngrams-{}", order_));
    files_.push_back(file);
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(run.data()),
              static_cast<std::streamsize>(run.size() * sizeof(Counted)));
    out.close();
    if (!out) {
      fail(ErrorCode::kUnavailable, "{}: cannot be written; is the disk full?", file.string());
    }
  }

  void take_in(std::vector<Counted> run) {
    if (in_memory_.empty()) {
      in_memory_ = std::move(run);
      return;
    }
    std::vector<Counted> both;
    std::vector<RunReader> readers;
    readers.emplace_back(&in_memory_);
    readers.emplace_back(&run);
    merge(readers, [&](const Counted& of) { both.push_back(of); });
    in_memory_ = std::move(both);
  }

  int64_t order_;
  const NgramCountOptions& options_;
  size_t capacity_;
  std::vector<uint64_t> buffer_;
  std::vector<Counted> in_memory_;
  std::vector<std::filesystem::path> files_;
};

NgramCounter::NgramCounter(const NgramCountOptions& options) : options_(options) {
  require(options.order >= 1 && options.vocabulary > 0,
          "n-grams: expected an order of 1 or more and a vocabulary, got {} and {}", options.order,
          options.vocabulary);
  require(
      static_cast<double>(options.order) * std::log2(static_cast<double>(options.vocabulary) + 1) <
          63,
      "n-grams: {} tokens of a vocabulary of {} do not fit 63 bits; choose a lower order",
      options.order, options.vocabulary);
  begin();
}

void NgramCounter::begin() {
  const int64_t n_buffers = std::max<int64_t>(1, options_.order - 1);
  const auto capacity = static_cast<size_t>(
      std::max<int64_t>(1024, options_.buffer_bytes / n_buffers / int64_t{sizeof(uint64_t)}));
  runs_.clear();
  for (int64_t order = 2; order <= options_.order; ++order) {
    runs_.push_back(std::make_unique<Runs>(order, options_, capacity));
  }
  unigrams_.assign(static_cast<size_t>(options_.vocabulary), 0);
  n_tokens_ = 0;
  start_sequence();
}

NgramCounter::~NgramCounter() = default;

void NgramCounter::start_sequence() {
  recent_.assign(static_cast<size_t>(options_.order - 1), options_.vocabulary);
}

void NgramCounter::add(const int64_t* ids, int64_t n) {
  const auto base = static_cast<uint64_t>(options_.vocabulary) + 1;
  for (int64_t t = 0; t < n; ++t) {
    const int64_t id = ids[t];
    require(id >= 0 && id < options_.vocabulary,
            "n-grams: token id {} is not in the vocabulary of {} tokens", id, options_.vocabulary);
    ++unigrams_[static_cast<size_t>(id)];
    uint64_t key = static_cast<uint64_t>(id), weight = 1;
    for (size_t k = 0; k < runs_.size(); ++k) {
      weight *= base;
      key += weight * static_cast<uint64_t>(recent_[recent_.size() - 1 - k]);
      runs_[k]->add(key);
    }
    if (!recent_.empty()) {
      std::move(recent_.begin() + 1, recent_.end(), recent_.begin());
      recent_.back() = id;
    }
  }
  n_tokens_ += n;
}

void NgramCounter::add_rows(const at::Tensor& tokens) {
  require(tokens.dim() == 2 && tokens.scalar_type() == at::kLong,
          "n-grams: expected int64 tokens [rows, positions], got {}", c10::str(tokens.sizes()));
  const at::Tensor rows = tokens.cpu().contiguous();
  for (int64_t b = 0; b < rows.size(0); ++b) {
    start_sequence();
    add(rows.data_ptr<int64_t>() + b * rows.size(1), rows.size(1));
  }
}

NgramModel NgramCounter::finish() {
  NgramLevel single;
  std::vector<int32_t> ids, counts;
  double total = 0;
  for (size_t v = 0; v < unigrams_.size(); ++v) {
    if (unigrams_[v] == 0) continue;
    require(unigrams_[v] <= std::numeric_limits<int32_t>::max(),
            "n-grams: token {} was counted {} times; more than 2^31 - 1 are not kept", v,
            unigrams_[v]);
    ids.push_back(static_cast<int32_t>(v));
    counts.push_back(static_cast<int32_t>(unigrams_[v]));
    total += static_cast<double>(unigrams_[v]);
  }
  const bool any = !ids.empty();
  single.context = at::zeros({any ? 1 : 0}, at::kLong);
  single.start =
      any ? at::tensor(std::vector<int64_t>{0, static_cast<int64_t>(ids.size())}, at::kLong)
          : at::zeros({1}, at::kLong);
  single.id = at::tensor(ids, at::kInt);
  single.count = at::tensor(counts, at::kInt);
  single.total = at::full({any ? 1 : 0}, total, at::kDouble);
  std::vector<NgramLevel> levels = {std::move(single)};
  for (auto& runs : runs_) levels.push_back(runs->finish());
  NgramModel model(options_.vocabulary, std::move(levels));
  begin();
  return model;
}

}  // namespace weir
